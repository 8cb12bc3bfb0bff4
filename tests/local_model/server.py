"""The local model's server in a process of the test's, and what it says of its work."""

import json
import os
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import Popen
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from scripts import local_model

WAIT_S = 60.0
Slots = list[dict[str, Any]]  # the answers that are being written


@dataclass
class LocalModel:
    process: "Popen[str]"
    entry: dict[str, Any]

    @property
    def config_list(self) -> str:
        return json.dumps([self.entry])

    def slots(self) -> Slots:
        address = self.entry["base_url"].removesuffix("/v1") + "/slots"
        request = urllib.request.Request(address, headers={"authorization": f"Bearer {self.entry['api_key']}"})
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return [slot for slot in json.load(answer) if slot["is_processing"]]

    def wait_until(self, holds: Callable[[Slots], Any]) -> list[Slots]:
        """All that was seen of its slots until something held of them."""
        deadline, pause, seen = time.monotonic() + WAIT_S, threading.Event(), [self.slots()]
        while not holds(seen[-1]):
            assert time.monotonic() < deadline, seen[-1]
            pause.wait(0.02)
            seen.append(self.slots())
        return seen

    def connections(self) -> list[Any]:
        """The open connections of this process to it."""
        port = urlsplit(self.entry["base_url"]).port
        connections = psutil.Process().net_connections("tcp")
        return [each for each in connections if each.status == "ESTABLISHED" and each.raddr.port == port]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()  # type: ignore[union-attr]


def start() -> LocalModel:
    require()
    return LocalModel(*local_model.start())


def require() -> None:
    """Skip, or fail, where it is not installed."""
    if not local_model.is_installed():
        why = "the local model is not installed (make model)"
        if os.environ.get("AGENTCHAT_REQUIRE_MODEL", "0") not in ("", "0"):
            pytest.fail(f"AGENTCHAT_REQUIRE_MODEL is set, and {why}", pytrace=False)
        pytest.skip(why)
