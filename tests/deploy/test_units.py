"""deploy/systemd: units that systemd takes, and that lock their processes in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agentchat import conf

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
PYTHON = "/srv/chat/site/.venv/bin/python"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))


@pytest.fixture(scope="module")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None and not os.environ.get("AGENTCHAT_REQUIRE_SERVICES"):
        pytest.skip("no systemd-analyze on this machine")
    assert found is not None, "AGENTCHAT_REQUIRE_SERVICES is set, and there is no systemd-analyze"
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with instances of the templates, and with a Python that exists here."""
    for unit in UNITS.iterdir():
        text = unit.read_text(encoding="utf-8")
        assert unit.suffix != ".service" or PYTHON in text
        (tmp_path / unit.name.replace("@.", "@8001.")).write_text(text.replace(PYTHON, sys.executable))
    return tmp_path


def verify(analyze: str, folder: Path, unit: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [analyze, "verify", "--man=no", str(folder / unit)],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_systemd_takes_every_unit(analyze: str, installed: Path) -> None:
    for unit in sorted(installed.iterdir()):
        done = verify(analyze, installed, unit.name)
        assert (done.returncode, done.stderr) == (0, ""), unit.name


def test_systemd_would_say_what_is_wrong(analyze: str, installed: Path) -> None:
    unit = installed / "agentchat.service"
    unit.write_text(unit.read_text().replace("Restart=always", "Restart=allways"))
    assert "allways" in verify(analyze, installed, unit.name).stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_can_do_little_besides_its_work(analyze: str, name: str) -> None:
    # 0 is locked in, 10 is free; a unit that says nothing has 9.6.
    done = subprocess.run(
        [analyze, "security", "--offline=yes", "--no-pager", "--threshold=20", str(UNITS / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_what_serves_comes_back_and_has_longer_to_stop_than_its_runs(settings: object) -> None:
    settings.AGENTCHAT = {}  # type: ignore[attr-defined]
    for name in SERVICES:
        text = (UNITS / name).read_text(encoding="utf-8")
        if "Type=oneshot" not in text:
            assert "Restart=always" in text
            assert "KillSignal=SIGTERM" in text
            [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)
            assert int(seconds) > conf.app.drain_s


def test_only_these_variables_are_the_units_own_and_secrets_are_in_none() -> None:
    for unit in UNITS.iterdir():
        assert set(re.findall(r"^Environment=(\w+)", unit.read_text(), re.MULTILINE)) <= {"LISTEN", "MALLOC_ARENA_MAX"}
