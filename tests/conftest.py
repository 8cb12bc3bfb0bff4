"""For all tests: agentchat's own fixtures, the order of files, and no way out to the network.

The block replaces what Python's sockets connect and look names up with, in any thread and on any event loop. (An audit
hook would run in the middle of `sys.settrace`, where CPython 3.11 lets no second thread begin to be traced.) Processes
that a test starts are told loopback addresses only.
"""

import fcntl
import functools
import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hypothesis
import pytest
from django.utils import translation

from agentchat import urls  # noqa: F401  (with the settings of the tests, before one of them changes these)
from agentchat.actions import rate_limits
from agentchat.budgets import metering, rules
from agentchat.core import registry
from agentchat.infra import moments
from agentchat.infra.fair_queue import lanes
from agentchat.llm import amendments, file_parts, profiles
from agentchat.llm.results import request_form
from agentchat.markup import budget
from tests.services import standing
from tests.sites import Site

pytest_plugins = ["agentchat.testing"]

# How fast this machine makes examples, or runs one, says nothing about the product.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

# --- how many processes ---------------------------------------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """As many as there are processors. One more is not faster, and starves servers that a test measures."""
    return os.cpu_count() or 1


# --- the order of files ---------------------------------------------------------------------------------------------

ROOT = Path(__file__).parent
# What finds most in least time comes first. Then the longest files, so that no worker is left with one of them when the
# others are done, and at the end many of medium length.
SLOW_FOLDERS = [ROOT / "foreign", ROOT / "services", ROOT / "local_model", ROOT / "faults", ROOT / "browser"]


# What they test runs in other processes. Coverage of the client here would tell nothing, take time, and now and then
# keep a thread from starting: CPython 3.11 refuses to begin to trace in two of them at the same moment.
CLIENTS_ONLY = [ROOT / "faults", ROOT / "browser"]


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, folder in enumerate(SLOW_FOLDERS, 1) if folder in item.path.parents), 0)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow folders last. Within a folder the order stays as it is: random."""
    items.sort(key=_rank)
    for item in items:
        if item.path.parent in CLIENTS_ONLY or item.path.name.startswith("test_cluster"):
            item.add_marker("no_cover")


# --- what is skipped ------------------------------------------------------------------------------------------------

REQUIRED = ("AGENTCHAT_REQUIRE_BROWSER", "AGENTCHAT_REQUIRE_MODEL", "AGENTCHAT_REQUIRE_SERVICES")
MAY_SKIP = not all(os.environ.get(name, "0") not in ("", "0") for name in REQUIRED)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test that is skipped fail where a browser, the model and the services are required, as in CI."""
    report = yield
    if report.skipped and not MAY_SKIP:
        report.outcome = "failed"
        report.longrepr = f"skipped, though {', '.join(REQUIRED)} are set: {report.longrepr[-1]}"  # type: ignore[index]
    return report


# --- agent functions --------------------------------------------------------------------------------------------------


@pytest.fixture
def agent_function() -> Iterator[Callable[..., str]]:
    """Register agent functions for one test: `agent_function(function, name="probe", **options)` returns the name."""
    names = []

    def register(function: Callable[..., object], name: str = "probe", **options: Any) -> str:
        registry.on_connect(name, **options)(function)
        names.append(name)
        return name

    yield register
    for name in names:
        registry.unregister(name)


# --- databases ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Look for PostgreSQL where it is asked for. `tests.settings` gives each process a database of its own already."""
    if os.environ.get("TEST_DATABASE_ENGINE", "sqlite") != "sqlite":
        standing.database_server()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A migrated SQLite file, made once for all workers; each site starts with a copy."""
    folder = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        folder = folder.parent
    site = Site(folder)
    done = folder / "migrated"
    with (folder / "migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            site.manage("migrate", "--verbosity", "0")
            site.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            done.touch()
    return site.database


# --- what is measured -----------------------------------------------------------------------------------------------


@pytest.fixture
def untraced() -> Iterator[None]:
    """Pause coverage in this thread: a test that measures a processor's time would measure the tracer."""
    tracer = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(tracer)


@pytest.fixture(scope="session", autouse=True)
def no_clock_while_traced() -> Iterator[None]:
    """Where coverage traces each line, render texts as long as their counted work lasts."""
    if sys.gettrace() is None:
        yield
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(budget, "MIN_SECONDS", 3_600.0)
        yield


@pytest.fixture
def time_passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """`time_passes(timedelta(hours=2))`: for the app it is so much later from now on, and nobody has to wait for it."""

    def advance(span: timedelta) -> None:
        now = moments.now
        monkeypatch.setattr(moments, "now", lambda: now() + span)

    return advance


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the limits of rates take for the time, in seconds: `clock.now`, which stands still."""
    clock = SimpleNamespace(now=1_800_000_000.0)
    clock.time = lambda: clock.now
    monkeypatch.setattr(rate_limits, "time", clock)
    return clock


# --- what a test leaves active --------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def nothing_learned() -> Iterator[None]:
    """Forget what services were found to accept: another test's may have the same port."""
    yield
    profiles.forget_learned()
    amendments.forget_learned()
    request_form.forget_learned()
    file_parts.forget_learned()


@pytest.fixture(autouse=True)
def no_known_budgets() -> Iterator[None]:
    """Forget the budgets, pauses and groups of another test's database."""
    rules.forget()
    metering.forget_groups()
    yield
    rules.forget()


@pytest.fixture(autouse=True)
def no_lanes() -> Iterator[None]:
    """Leave the lanes that an async view has entered: its changes of context come back to a test's client."""
    with lanes():
        yield


@pytest.fixture(autouse=True)
def no_active_language() -> Iterator[None]:
    """Deactivate the language that a request of a test's client has left active in this thread."""
    yield
    translation.deactivate()


# --- the network ----------------------------------------------------------------------------------------------------


class NetworkBlocked(RuntimeError):
    """A test wanted to leave this machine. No OSError: nothing that handles failed connections may swallow it."""


def is_local(host: str | bytes | None) -> bool:
    if not host:
        return True  # a wildcard, to listen on
    name = host.decode() if isinstance(host, bytes) else host
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name == "localhost"
    return address.is_loopback or address.is_unspecified


def block(owner: Any, name: str, host_of: Callable[..., Any]) -> None:
    """Replace this function by one that refuses to leave the machine. `host_of(…)` takes its arguments."""
    allowed = getattr(owner, name)

    @functools.wraps(allowed)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if not is_local(host := host_of(*args, **kwargs)):
            raise NetworkBlocked(f"tests stay on this machine: {name} to {host!r} is blocked")
        return allowed(*args, **kwargs)

    setattr(owner, name, checked)


def host_in(here: socket.socket, address: Any) -> Any:
    is_ip = here.family in (socket.AF_INET, socket.AF_INET6)
    return address[0] if is_ip and address else None  # else a unix socket, or one that is connected already


block(socket.socket, "connect", host_in)
block(socket.socket, "connect_ex", host_in)
block(socket.socket, "sendto", lambda here, data, *more: host_in(here, more[-1]))
block(socket.socket, "sendmsg", lambda here, buffers, *more: host_in(here, more[2] if len(more) > 2 else None))
block(socket, "getaddrinfo", lambda host, *more, **named: host)
