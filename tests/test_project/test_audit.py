"""The look-up of advisories, which works without a network too."""

import json
import subprocess
import sys

import pytest

from scripts import audit


@pytest.fixture
def run(monkeypatch, capsys):
    """The exit code and the words, where pip-audit ends like this."""

    def run(stdout="", stderr="", error=None):
        def answer(command, **options):
            assert options["timeout"] == audit.SECONDS
            if error is not None:
                raise error
            return subprocess.CompletedProcess(command, 1, stdout, stderr)

        monkeypatch.setattr(subprocess, "run", answer)
        with pytest.raises(SystemExit) as left:
            audit.main()
        return int(left.value.code), capsys.readouterr().out.splitlines()

    return run


def answer(*vulns):
    return json.dumps({"dependencies": [{"name": "django", "version": "5.2", "vulns": list(vulns)}, {"name": "own"}]})


@pytest.mark.parametrize(
    "failure",
    [
        {"error": subprocess.TimeoutExpired(sys.executable, 1)},
        {"stderr": "Traceback\nConnectionError: Name or service not known"},
        {"stderr": "No module named pip_audit"},
        {"stdout": "{}"},
        {},
    ],
    ids=range(5),
)
def test_without_an_answer_one_line_says_so_and_the_check_passes(run, failure):
    code, [line] = run(**failure)
    assert code == 0
    assert line.startswith("The advisories for the installed packages were not looked up: ")


def test_an_advisory_fails_the_check_and_is_named(run):
    code, lines = run(answer({"id": "PYSEC-1", "fix_versions": ["5.2.1"]}, {"id": "PYSEC-2", "fix_versions": []}))
    assert code == 1
    assert lines == ["django 5.2: PYSEC-1, fixed in 5.2.1", "django 5.2: PYSEC-2, fixed in no version"]


def test_without_advisories_it_passes(run):
    assert run(answer()) == (0, ["No advisory is known for the 2 installed packages."])
