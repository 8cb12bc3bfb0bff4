"""Sites that can be killed: daphne, a SQLite file, a scripted model, and a ledger of what tools did."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agentchat.testing import ScriptedLLM
from tests.faults.page import Decide, Guest
from tests.sites import Site

WAIT_S = 40.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("faults")


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Wait for what another process does without a notification, by polling. Return what was found."""

    def wait(found: Callable[[], Any]) -> Any:
        deadline, pause = time.monotonic() + WAIT_S, threading.Event()
        while not (there := found()):
            assert time.monotonic() < deadline
            pause.wait(0.01)
        return there

    return wait


@pytest.fixture
def llm() -> Iterator[ScriptedLLM]:
    with ScriptedLLM() as llm:
        yield llm


@pytest.fixture
def make_site(empty_database: Path, tmp_path: Path, llm: ScriptedLLM) -> Iterator[Callable[..., Site]]:
    """A site that asks the scripted model, not started yet; `process` names one of several on the same database."""
    database = tmp_path / "db.sqlite3"
    shutil.copy(empty_database, database)
    sites: list[Site] = []

    def make(process: str = "daphne", **environment: str) -> Site:
        folder = tmp_path / process
        folder.mkdir()
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.faults.settings",
            "DATABASE_URL": f"sqlite:///{database}",
            "LEDGER": str(tmp_path),
            "AGENTCHAT_LEASE_S": "2",
            "AGENTCHAT_MAX_RUNS_PER_OWNER": "1000",
            "AGENTCHAT_MESSAGES_PER_MINUTE": "100000",
            **llm.environment(),
            "AGENTCHAT_SHOW_USAGE": "all",  # what was received is compared with what is stored
            **environment,
        }
        site = Site(folder, **environment)
        site.database = database
        sites.append(site)
        return site

    yield make
    for site in sites:
        site.close()


@pytest.fixture
def guest() -> Iterator[Callable[..., Guest]]:
    """A guest at a site; their pages are closed at the end."""
    guests: list[Guest] = []

    def visit(site: Site, decide: Decide = lambda page, question: {"decision": "reject"}) -> Guest:
        guests.append(visitor := Guest(site, decide))
        return visitor

    yield visit
    for visitor in guests:
        visitor.close()
