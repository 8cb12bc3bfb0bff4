"""The examples as people start them: `python -m agentchat.examples.NAME`, in a process and a folder of their own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.sites import ROOT, free_port

FOREIGN = ("OPENAI_", "OAI_", "AGENTCHAT_", "DJANGO_")


def environment(**added: str) -> dict[str, str]:
    """No key and no Django of this process's, but what a test adds."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "error", **added}


def run(name: str, folder: Path, **added: str) -> subprocess.CompletedProcess[str]:
    """Run an example to its end."""
    return subprocess.run(
        [sys.executable, "-m", f"agentchat.examples.{name}"],
        cwd=folder,
        env=environment(**added),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def page_from(name: str, folder: Path, **added: str) -> Iterator[str]:
    """Start an example that serves a page; give its address as soon as it says that it does."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", f"agentchat.examples.{name}", "--port", str(port), "--websocket-port", "0"],
        cwd=folder,
        env=environment(**added),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    address = f"http://127.0.0.1:{port}"
    said = []
    try:
        for line in process.stdout:
            said.append(line)
            if address in line:
                break
        else:
            raise AssertionError("".join(said))
        yield f"{address}/"
    finally:
        process.terminate()
        process.communicate(timeout=20)
