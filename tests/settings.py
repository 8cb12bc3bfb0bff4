"""The site's settings for tests: what the environment of the machine says, of keys above all, changes nothing."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_PREFIXES = ("AGENTCHAT_", "OPENAI_", "REDIS_", "SECURE_")
_NAMES = (
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_URL",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "OAI_CONFIG_LIST",
    "TIME_ZONE",
)
_TESTS_OWN = ("AGENTCHAT_REQUIRE_BROWSER", "AGENTCHAT_REQUIRE_MODEL", "AGENTCHAT_REQUIRE_SERVICES")

for _name in list(os.environ):
    if (_name.startswith(_PREFIXES) or _name in _NAMES) and _name not in _TESTS_OWN:
        del os.environ[_name]
os.environ["DEBUG"] = "1"  # plain static files; pytest-django switches it off once they are chosen
os.environ["SECRET_KEY"] = "of-the-tests-and-of-nothing-else-" * 2

from chatsite.settings import *  # noqa: E402, F403

AGENTCHAT["APIS"] = ["openai", "agui"]  # noqa: F405  (their addresses; another process of a test says for itself)
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; the real one is slow on purpose

# Two test runs at once, in one working copy, must not share a database.
_database = Path(tempfile.gettempdir()) / f"agentchat-test-{os.getpid()}.sqlite3"
if os.environ.get("TEST_DATABASE_ENGINE", "sqlite") == "sqlite":
    DATABASES["default"]["TEST"] = {"NAME": _database}  # noqa: F405
else:  # "postgres": those tests that need Django's database have it there
    _url = os.environ.get("TEST_DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/postgres"
    # Processes die in these tests, and no machine does.
    _url += f"{'&' if '?' in _url else '?'}options=-c%20synchronous_commit%3Doff"
    DATABASES = databases(_url, otherwise=_database)  # noqa: F405
    DATABASES["default"]["TEST"] = {"NAME": f"agentchat_test_{os.getpid()}"}

_files = Path(tempfile.gettempdir()) / f"agentchat-test-{os.getpid()}-files"
STORAGES["agentchat"]["OPTIONS"]["location"] = _files  # noqa: F405


@atexit.register
def _remove_database() -> None:
    shutil.rmtree(_files, ignore_errors=True)
    for suffix in ("", "-wal", "-shm"):
        Path(f"{_database}{suffix}").unlink(missing_ok=True)
