"""Serve the chat on this machine: what `make run` does once everything is installed.

Brings the database up to date, makes the account `admin` if nobody could get into admin otherwise, says where to go,
and becomes daphne: signals reach the server itself.
"""

import argparse
import errno
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
    arguments = parser.parse_args()
    host, port = arguments.host, port_of(arguments.port)

    os.chdir(PROJECT)
    sys.path.insert(0, str(PROJECT))
    os.environ.setdefault("DEBUG", "1")
    os.environ["DJANGO_SETTINGS_MODULE"] = "chatsite.settings"
    check_free(host, port)

    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    password = make_admin()

    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print(f"\n  Chat   {address}/\n  Admin  {address}/admin/")
    if password:
        print(f"         user admin, password {password} (shown only this once)")
    print("\n  Ctrl-C stops the server.\n", flush=True)
    command = ["-m", "daphne", "--bind", host, "--port", str(port), "--access-log", os.devnull]
    os.execv(sys.executable, [sys.executable, *command, "chatsite.asgi:application"])


def port_of(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        sys.exit(f"PORT={text} is no port: give a number from 1 to 65535, as in: make run PORT=8001")
    return int(text)


def check_free(host: str, port: int) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as daphne does: not in use, only just left
            probe.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            sys.exit(f"Cannot listen on {host} port {port}: {error.strerror or error}")
        other = port + 1 if port < 65535 else 8000
        sys.exit(f"Port {port} is taken: stop what listens there, or take another one: make run PORT={other}")


def make_admin() -> str | None:
    """Make the superuser `admin` if there is none. Return its password; None if nothing was made."""
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
