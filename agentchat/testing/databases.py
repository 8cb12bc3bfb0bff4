"""A test database that threads can share: `agent_chat` runs agent functions in threads, as the server does.

Django's test database on SQLite is in memory. There, a thread that writes while another one reads fails at once,
because a shared cache ignores the time-out. So each SQLite database whose `TEST` has no `NAME` gets a temporary file.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

_folders: list[Path] = []


def pytest_configure(config: pytest.Config) -> None:
    """Before any database is made. Does nothing without Django, and leaves a test database alone that has a name."""
    try:
        from django.conf import settings
    except ImportError:
        return
    if not (settings.configured or "DJANGO_SETTINGS_MODULE" in os.environ):
        return
    for alias, database in settings.DATABASES.items():
        test = database.setdefault("TEST", {})
        if database.get("ENGINE") == "django.db.backends.sqlite3" and not test.get("NAME"):
            folder = Path(tempfile.mkdtemp(prefix="agentchat-test-"))
            _folders.append(folder)
            test["NAME"] = str(folder / f"{alias}.sqlite3")


def pytest_unconfigure(config: pytest.Config) -> None:
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)
