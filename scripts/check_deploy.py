"""Run `check --deploy` in the environment that docs/deploying.md documents, to the letter: no warning is allowed."""

import os
import re
import sys
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
    os.environ["DJANGO_SETTINGS_MODULE"] = "chatsite.settings"
    sys.path.insert(0, str(PROJECT))

    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", "check", "--deploy", "--fail-level", "WARNING"])


if __name__ == "__main__":
    main()
