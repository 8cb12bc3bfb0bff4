"""The settings: what the environment says is what the site does, and what it does not say is safe."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agentchat.conf import AppSettings
from chatsite import settings

ROOT = Path(__file__).resolve().parents[2]
SHOW = """
import json, sys
from django.conf import settings
print(json.dumps({name: getattr(settings, name) for name in sys.argv[1:]}, default=str))
"""


@pytest.fixture
def project(tmp_path):
    """The project without what a run of it has left behind."""
    shutil.copytree(ROOT / "chatsite", tmp_path / "chatsite", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def read(project):
    """Read settings in a process that has this environment and nothing else."""

    def read(*names, **environment):
        done = subprocess.run(
            [sys.executable, "-c", SHOW, *names],
            cwd=project,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": f"{project}{os.pathsep}{ROOT}",
                "DJANGO_SETTINGS_MODULE": "chatsite.settings",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)

    return read


PUBLIC = {"SECRET_KEY": "k" * 60, "ALLOWED_HOSTS": "a.example,b.example"}


def test_without_debug_and_a_secret_key_nothing_starts_and_the_sentence_says_what_to_do(read):
    with pytest.raises(RuntimeError, match=r"SECRET_KEY is not set: .* or set DEBUG=1"):
        read("SECRET_KEY")


def test_with_debug_a_secret_key_is_made_once_and_only_its_owner_can_read_it(project, read):
    key = read("SECRET_KEY", DEBUG="1")["SECRET_KEY"]
    file = project / ".local" / "secret_key"
    assert len(key) >= 50
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert read("SECRET_KEY", DEBUG="1")["SECRET_KEY"] == key
    assert [child.name for child in file.parent.iterdir()] == ["secret_key"]


def test_a_secret_key_in_the_environment_wins(read):
    read("SECRET_KEY", DEBUG="1")
    assert read("SECRET_KEY", DEBUG="1", SECRET_KEY="mine")["SECRET_KEY"] == "mine"


def test_debug_is_off_unless_it_is_asked_for(read):
    assert read("DEBUG", **PUBLIC)["DEBUG"] is False


def test_a_public_site_sends_cookies_over_tls_only_and_says_so_for_a_year(read):
    names = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS", "ALLOWED_HOSTS")
    assert read(*names, **PUBLIC) == {
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_HSTS_SECONDS": 31536000,
        "ALLOWED_HOSTS": ["a.example", "b.example"],
    }
    assert read("SESSION_COOKIE_SECURE", DEBUG="1") == {"SESSION_COOKIE_SECURE": False}


def test_sqlite_is_set_up_for_many_writers_whatever_file_it_is(read):
    for environment in ({}, {"DATABASE_URL": "sqlite:////tmp/elsewhere.sqlite3"}):
        database = read("DATABASES", **PUBLIC, **environment)["DATABASES"]["default"]
        assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
        assert database["OPTIONS"]["timeout"] == 20
        assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]
    assert database["NAME"] == "/tmp/elsewhere.sqlite3"


def test_each_key_of_agentchat_can_be_set_in_the_environment():
    assert set(settings._AGENTCHAT) == set(AppSettings.KEYS)


def test_values_of_agentchat_come_with_their_types(read):
    values = read(
        "AGENTCHAT",
        **PUBLIC,
        AGENTCHAT_MAX_RUNS="8",
        AGENTCHAT_LEASE_S="2.5",
        AGENTCHAT_GUESTS="yes",
        AGENTCHAT_LLM='[{"model": "m"}]',
        AGENTCHAT_DRAIN_S="",
    )["AGENTCHAT"]
    assert values == {"MAX_RUNS": 8, "LEASE_S": 2.5, "GUESTS": True, "LLM": [{"model": "m"}]}


def test_a_value_that_cannot_be_read_is_named(read):
    with pytest.raises(RuntimeError, match="AGENTCHAT_MAX_RUNS='many' cannot be read"):
        read("AGENTCHAT", **PUBLIC, AGENTCHAT_MAX_RUNS="many")


def test_the_documented_environment_passes_every_check():
    done = subprocess.run(
        [sys.executable, "scripts/check_deploy.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_public_environment_that_forgets_tls_does_not_pass():
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": "sk-test", **PUBLIC}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "security.W008" in done.stderr
