"""What tests of runs claim on SQLite holds on PostgreSQL: they are run there, in a process of their own."""

import os
import subprocess
import sys

from tests.services.standing import ROOT


def test_runs_are_the_same_on_postgresql(database_server):
    tests = ["tests/runs/test_runs.py", "tests/runs/test_storable.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=ROOT,
        env={**os.environ, "TEST_DATABASE_ENGINE": "postgres", "TEST_DATABASE_URL": database_server},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:]
