"""make: the README's commands, in a folder with spaces in its path, and what they say when something is missing."""

import contextlib
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.faults.page import Guest
from tests.local_model.server import require as require_local_model
from tests.sites import free_port

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    "Makefile",
    "manage.py",
    "pyproject.toml",
    "requirements.txt",
    "requirements-model.txt",
    "requirements-extras.txt",
]
PARTS = [*FILES, "agentchat", "chatsite", "scripts", "templates"]
PYTHONS = ["python", "python3", "python3.11", "python3.12", "python3.13", "python3.14"]
WAIT_S = 60


@pytest.fixture
def folder(tmp_path):
    """The project as somebody has just cloned it."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / part, folder / part)
    return folder


@pytest.fixture
def installed(folder):
    """The same, with the Python that runs the tests as its .venv."""
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / ".venv" / "ready").touch()
    return folder


@pytest.fixture
def port():
    return free_port()


def environment(**more):
    own = ("AGENTCHAT_", "DJANGO_", "MAKE", "OPENAI_", "PYTEST_", "SECURE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    for name in ("DEBUG", "SECRET_KEY", "DATABASE_URL", "PORT", "PYTHON"):
        kept.pop(name, None)
    return {**kept, **more}


def make(folder, *arguments, **more):
    """The exit code, and what was said on stderr without make's own line."""
    done = subprocess.run(
        ["make", *arguments], cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=WAIT_S
    )
    return done.returncode, [line for line in done.stderr.splitlines() if not line.startswith("make")]


class Run:
    """`make run`, until it is told to stop. `said` is what it printed up to the moment when the server answers."""

    def __init__(self, folder, port, *arguments):
        self.process = subprocess.Popen(
            ["make", "run", f"PORT={port}", *arguments],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.url = f"http://127.0.0.1:{port}"
        self.said = ""
        while "Ctrl-C" not in self.said:
            line = self.process.stdout.readline()
            assert line, self.said
            self.said += line

    def get(self, path):
        """Ask the server; it may not listen yet."""
        while True:
            try:
                with urllib.request.urlopen(self.url + path, timeout=WAIT_S) as answer:
                    return answer.read().decode()
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionRefusedError):
                    raise
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
                raise AssertionError(self.said + self.process.stdout.read())

    def stop(self, number):
        """Send the signal to make and all that it has started, as a terminal does."""
        os.killpg(self.process.pid, number)
        self.said += self.process.communicate(timeout=WAIT_S)[0]


@pytest.fixture
def run(installed, port):
    runs = []

    def run(*arguments):
        runs.append(Run(installed, port, *arguments))
        return runs[-1]

    yield run
    for each in runs:
        if each.process.poll() is None:
            os.killpg(each.process.pid, signal.SIGKILL)
            each.process.wait()
        each.process.stdout.close()


@pytest.mark.slow
def test_make_run_serves_a_chat_and_shows_the_admin_password_only_once(installed, run):
    first = run()
    assert f"{first.url}/" in first.said
    [password] = re.findall(r"user admin, password (\S+)", first.said)
    assert len(password) >= 16
    assert "Demo model" in first.get("/chat/")
    assert "{" in first.get("/static/agentchat/css/base.css")
    first.stop(signal.SIGINT)
    assert "Traceback" not in first.said
    private = [installed / ".local" / "secret_key", *installed.glob("db.sqlite3*")]
    assert len(private) >= 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in private} == {0o600}
    (installed / "db.sqlite3").chmod(0o644)  # as an older version made it

    second = run()
    assert stat.S_IMODE((installed / "db.sqlite3").stat().st_mode) == 0o600
    assert "password" not in second.said
    assert second.get("/healthz") == "ok"
    second.stop(signal.SIGTERM)
    assert "Traceback" not in second.said


@pytest.mark.slow
def test_a_signal_reaches_daphne_itself_and_it_leaves_in_order(run):
    running = run()
    running.get("/healthz")
    [daphne] = psutil.Process(running.process.pid).children(recursive=True)
    assert "daphne" in daphne.cmdline()
    daphne.send_signal(signal.SIGTERM)
    assert running.process.wait(WAIT_S) == 0  # make's exit code is its recipe's


@pytest.mark.slow
@pytest.mark.model
def test_make_run_with_the_local_model_serves_its_answers_and_ends_with_it(installed, run):
    require_local_model()
    folder = installed / ".venv" / "model"
    folder.mkdir()
    for each in (ROOT / ".venv" / "model").iterdir():
        (folder / each.name).symlink_to(each)
    (folder / "ready").unlink()
    (folder / "ready").touch()  # what is there is installed

    running = run("MODEL=local")
    assert "SmolLM2-135M-Instruct, on this machine" in running.said
    assert "Demo model" not in running.get("/chat/")
    guest = Guest(running, lambda page, question: None)
    page = guest.new_chat("assistant")
    page.send("Say hello.")
    page.wait_until(lambda: any(written.text for written in page.written.values()), "word of the model")
    guest.close()
    processes = psutil.Process(running.process.pid).children(recursive=True)
    [model] = [process for process in processes if "local_model.py" in " ".join(process.cmdline())]
    running.stop(signal.SIGINT)
    assert "Traceback" not in running.said
    model.wait(WAIT_S)


def test_a_model_that_is_not_known_is_one_sentence_and_a_failure(installed):
    code, said = make(installed, "run", "MODEL=gpt")
    assert code != 0
    [sentence] = said
    assert sentence.startswith("MODEL=gpt is not known: make run MODEL=local serves with a small model on this machine")


def test_a_taken_port_is_one_sentence_and_a_failure(installed, port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        code, said = make(installed, "run", f"PORT={port}")
    assert code != 0
    assert said == [f"Port {port} is taken: stop what listens there, or take another one: make run PORT={port + 1}"]


def test_a_port_that_is_none_is_one_sentence_and_a_failure(installed):
    code, said = make(installed, "run", PORT="http")
    assert code != 0
    assert said == ["PORT=http is not a port: use a number from 1 to 65535, as in: make run PORT=8001"]


def test_without_a_new_enough_python_one_sentence_says_what_to_do(folder, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    for name in PYTHONS:
        (old / name).write_text("#!/bin/sh\nexit 1\n")
        (old / name).chmod(0o755)
    code, said = make(folder, "test", PATH=f"{old}{os.pathsep}{os.environ['PATH']}")
    assert code != 0
    assert said == [
        "Python 3.11 or later is needed and was not found: install it, or name it: make run PYTHON=/path/to/python3"
    ]


def test_a_python_that_is_named_and_too_old_is_not_replaced_by_another(folder):
    code, said = make(folder, "run", "PYTHON=/bin/false")
    assert code != 0
    assert said == ["/bin/false is not Python 3.11 or later."]


@pytest.mark.slow
def test_without_a_network_one_sentence_says_so_and_the_next_try_goes_on(folder, port):
    nobody = f"http://127.0.0.1:{port}/simple"
    code, said = make(
        folder, "run", f"PYTHON={sys.executable}", PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL=nobody, PIP_FIND_LINKS=""
    )
    assert code != 0
    assert len(said) == 1
    assert said[0].startswith("pip could not reach the package index: connect to the network")
    assert (folder / ".venv" / "install.log").exists()
    assert not (folder / ".venv" / "ready").exists()


def test_what_is_installed_is_not_installed_again(installed):
    code, said = make(installed, "install")
    assert (code, said) == (0, [])
    assert not (installed / ".venv" / "install.log").exists()


def test_make_alone_says_what_there_is(folder):
    done = subprocess.run(["make"], cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    targets = [line.split()[1] for line in done.stdout.splitlines()]
    tests = ["test", "test-fast", "test-postgresql", "matrix"]
    assert targets == [
        "install",
        "run",
        "cluster",
        *tests,
        "model",
        "extras",
        "bench",
        "soak",
        "check",
        "screenshots",
        "messages",
        "clean",
    ]
