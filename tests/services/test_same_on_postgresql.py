"""What tests of runs claim on SQLite holds on PostgreSQL: they are run there, in a process of their own."""

import os
import subprocess
import sys

import pytest

from tests.services.standing import ROOT

RUNS = [
    *("tests/runs/test_runs.py", "tests/runs/test_storable.py", "tests/runs/test_questions.py"),
    "tests/runs/test_crashes.py",
]
TREES = ["tests/runs/test_branches.py", "tests/runs/test_defects.py"]
CUTS = ["tests/faults/test_cuts.py"]
EXAMPLES = "10"  # of random scripts: a transaction takes longer than on SQLite
HURRIED = "options=-c%20synchronous_commit%3Doff"  # processes die in these tests, and no machine does


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("tests", [RUNS, TREES, CUTS], ids=["runs", "trees", "cuts"])
def test_runs_are_the_same_on_postgresql(database_server, tests):
    url = f"{database_server}{'&' if '?' in database_server else '?'}{HURRIED}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env={
            **os.environ,
            "TEST_DATABASE_ENGINE": "postgres",
            "TEST_DATABASE_URL": url,
            "TEST_EXAMPLES": EXAMPLES,
        },
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
