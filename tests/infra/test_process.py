"""The name of a process is its own."""

import os
import subprocess
import sys


def test_processes_that_a_server_forks_have_names_of_their_own():
    code = """
import os
from agentchat.infra.process import PROCESS
print(PROCESS, flush=True)
if child := os.fork():
    os.waitpid(child, 0)
print(PROCESS, PROCESS == str(PROCESS), flush=True)
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", f"import django; django.setup()\n{code}"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    first, child, parent = done.stdout.splitlines()
    assert parent == f"{first} True"
    assert child.endswith(" True")
    assert child != parent
