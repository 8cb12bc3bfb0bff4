"""A real MCP server in a process of its own (`server.py`), over stdio or Streamable HTTP."""

import os
import socket
import subprocess
import sys
import time

import pytest

from tests.sites import ROOT, free_port


class Shop:
    """What the server was asked, and how it is started."""

    def __init__(self, folder):
        self.log = folder / "mcp.log"
        self.log.touch()
        self.environment = {"MCP_LOG": str(self.log), "PYTHONPATH": str(ROOT)}
        self.command = [sys.executable, "-m", "tests.mcp.server"]

    @property
    def asked(self):
        return [line for line in self.log.read_text().splitlines() if not line.startswith("start")]

    @property
    def starts(self):
        return [int(line.split()[1]) for line in self.log.read_text().splitlines() if line.startswith("start")]

    def entry(self, **environment):
        return {"command": self.command, "env": {**self.environment, **environment}, "cwd": str(ROOT)}


@pytest.fixture
def shop(tmp_path, settings):
    """The server `shop` of MCP_SERVERS, over stdio."""
    shop = Shop(tmp_path)
    settings.AGENTCHAT = {**getattr(settings, "AGENTCHAT", {}), "MCP_SERVERS": {"shop": shop.entry()}}
    return shop


@pytest.fixture
def web_shop(tmp_path):
    """The same over Streamable HTTP: `url`, `process`, and `start()` to start it again at the same address."""
    shop = Shop(tmp_path)
    shop.port = free_port()
    shop.url = f"http://127.0.0.1:{shop.port}/mcp"

    def start():
        environment = {**os.environ, **shop.environment}
        shop.process = subprocess.Popen([*shop.command, str(shop.port)], env=environment, cwd=ROOT)
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", shop.port)).close()
                return
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.02)

    shop.start = start
    start()
    yield shop
    shop.process.kill()
    shop.process.wait()
