"""Run `check --deploy` in exactly the environment that docs/deploying.md documents. Any warning is a failure."""

import os
import re
import secrets
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def documented_environment() -> dict[str, str]:
    """The variables of the first ```ini block in docs/deploying.md."""
    text = (PROJECT / "docs" / "deploying.md").read_text(encoding="utf-8")
    block = re.search(r"^```ini\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    if block is None:
        sys.exit("docs/deploying.md has no ```ini block with the environment")
    lines = (line.strip() for line in block[1].splitlines())
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def main() -> None:
    os.environ.pop("DEBUG", None)
    os.environ.update(documented_environment())
    # The documented ones are placeholders, which the checks refuse.
    os.environ["SECRET_KEY"], os.environ["OPENAI_API_KEY"] = secrets.token_urlsafe(50), f"sk-{secrets.token_hex(16)}"
    os.environ["DJANGO_SETTINGS_MODULE"] = "chatsite.settings"
    sys.path.insert(0, str(PROJECT))

    from django.core.management import execute_from_command_line

    with tempfile.TemporaryDirectory() as folder:
        # From Django 6.1 on, the checks open the database, and the documented folder is only on the deployed machine.
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/db.sqlite3"
        execute_from_command_line(["manage.py", "check", "--deploy", "--fail-level", "WARNING"])


if __name__ == "__main__":
    main()
