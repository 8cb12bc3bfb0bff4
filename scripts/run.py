"""Serve the chat on this machine: what `make run` does once everything is installed.

It migrates the database, creates the account `admin` if there is no superuser yet, prints the addresses, and replaces
itself with daphne, so signals reach the server directly. With MODEL=local, a small real model on this machine answers.
"""

import argparse
import contextlib
import errno
import json
import os
import secrets
import socket
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", default="8000")
    parser.add_argument("--model", default="")
    arguments = parser.parse_args()
    if arguments.model not in ("", "local"):
        sys.exit(
            f"MODEL={arguments.model} is not known: make run MODEL=local serves with a small model on this machine; "
            "any other model is set by OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL"
        )
    host, port = arguments.host, port_of(arguments.port)

    os.chdir(PROJECT)
    keep_private()
    sys.path.insert(0, str(PROJECT))
    os.environ.setdefault("DEBUG", "1")
    os.environ["DJANGO_SETTINGS_MODULE"] = "chatsite.settings"
    check_free(host, port)
    model = use_local_model() if arguments.model else None

    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    password = make_admin()

    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"\n  Chat   {address}/\n  Admin  {address}/admin/")
    if password:
        print(f"         user admin, password {password} (shown only this once)")
    print(f"  Inbox  {address}/inbox/")
    if model:
        print(f"  Model  {model}, on this machine: a very small one, often wrong")
    print("\n  Both sides of a refund: as a guest, in a private window, ask the refund desk under Chat to")
    print("  pay order 1017 back. It asks staff: sign in under Inbox as admin, and decide.")
    print("\n  Ctrl-C stops the server.\n", flush=True)
    command = ["-m", "daphne", "--bind", host, "--port", str(port), "--access-log", os.devnull]
    os.execv(sys.executable, [sys.executable, *command, "chatsite.asgi:application"])


def keep_private() -> None:
    """What is made from here on, only its owner can read: the database has what users wrote. So has an older one."""
    os.umask(0o077)
    for file in (*PROJECT.glob("db.sqlite3*"), *PROJECT.glob(".local/*"), PROJECT / ".local"):
        with contextlib.suppress(OSError):  # another user's
            file.chmod(0o700 if file.is_dir() else 0o600)


def use_local_model() -> str:
    """Start the local model, before all others that are set. Return its name."""
    from scripts import local_model

    try:
        _, entry = local_model.start()
    except RuntimeError as error:
        sys.exit(str(error))
    os.environ.pop("AGENTCHAT_LLM", None)
    os.environ["OAI_CONFIG_LIST"] = json.dumps([entry])
    return str(entry["model"])


def port_of(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        sys.exit(f"PORT={text} is not a port: use a number from 1 to 65535, as in: make run PORT=8001")
    return int(text)


def check_free(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as daphne does: ignore closed connections
            probe.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            sys.exit(f"Cannot listen on {host} port {port}: {error.strerror or error}")
        other = port + 1 if port < 65535 else 8000
        sys.exit(f"Port {port} is taken: stop what listens there, or take another one: make run PORT={other}")


def make_admin() -> str | None:
    """Create the superuser `admin` if there is no superuser. Return its password, or None if nothing was created."""
    from django.contrib.auth import get_user_model

    users = get_user_model()._default_manager
    if users.filter(is_superuser=True).exists():
        return None
    if users.filter(username="admin").exists():
        print('There is an account "admin", but no superuser: `manage.py createsuperuser` makes one.')
        return None
    password = secrets.token_urlsafe(12)
    users.create_superuser("admin", password=password)
    return password


if __name__ == "__main__":
    main()
