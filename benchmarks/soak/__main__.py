"""What honest users notice while hostile guests and a hostile model do their worst.

    python -m benchmarks.soak [--minutes 3] [--honest 50] [--hostile 10] [--only ATTACK,…] [--each SECONDS]

Starts a public site under daphne on a SQLite file, and scripted models. Honest guests chat: first by themselves, then
beside the hostile ones, then by themselves again. It fails if anything takes them more than twice its quiet time (or
150 ms more, if that is longer), if something of theirs fails, or if the server keeps more than 5 % of memory. `--each`
tries one attack after the other, to find those that cost others something.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.soak import hostile, model
from benchmarks.soak.honest import HonestGuest
from benchmarks.soak.measurements import Latencies, memory_of, work
from benchmarks.soak.processes import child
from benchmarks.soak.report import AFTERWARDS, HOSTILE, QUIET, Report
from tests.sites import Site

PUBLIC = {
    "DEBUG": "0",
    "ALLOWED_HOSTS": "127.0.0.1",
    "AGENTCHAT_GUESTS": "1",
    "AGENTCHAT_TRUSTED_PROXIES": "0",  # each guest has an address of their own
    "LOG_LEVEL": "WARNING",
    "MALLOC_ARENA_MAX": "2",  # as in deploy/
}
# So that what hangs is over before the soak is.
SHORT = {"AGENTCHAT_LLM_TIMEOUT_S": "10", "AGENTCHAT_TOOL_TIMEOUT_S": "3"}

WARM_UP_SECONDS = 120  # at most
SETTLING_SECONDS = 30  # at most, until the server is done with what attackers have left behind


@contextmanager
def site(models: dict[str, str]) -> Iterator[Site]:
    with TemporaryDirectory(prefix="agentchat-soak-") as folder:
        settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.soak.site_settings", "STATIC_ROOT": f"{folder}/static"}
        started = Site(Path(folder), **settings, **PUBLIC, **SHORT, **models)
        started.manage("migrate", "--verbosity", "0")
        started.manage("collectstatic", "--no-input", "--verbosity", "0")
        try:
            started.start()
            yield started
        finally:
            started.close()


async def soak(site: Site, worker: Connection, arguments: argparse.Namespace) -> Report:
    """Measure the phases: quiet, hostile, and afterwards."""
    latencies = Latencies()
    report = Report(latencies)
    assert site.process is not None
    process = psutil.Process(site.process.pid)
    seconds = arguments.minutes * 60
    quiet = min(seconds / 4, 120)
    loop = asyncio.get_running_loop()
    loop.add_reader(worker.fileno(), lambda: report.slowness[latencies.phase].append(worker.recv()))
    tasks = [asyncio.create_task(HonestGuest(site.url, number, latencies).run()) for number in range(arguments.honest)]

    async def measure(phase: str, duration: float) -> None:
        print(f"{phase}: {duration:.0f} s", file=sys.stderr)
        latencies.phase = phase
        began, before = time.monotonic(), process.cpu_times()
        while time.monotonic() - began < duration:
            await asyncio.sleep(1)
            report.memory[phase].append(memory_of(process))
        now = process.cpu_times()
        latencies.phase = "between phases"
        spent = now.user + now.system - before.user - before.system
        report.processors[phase] = spent / (time.monotonic() - began)

    async def settled() -> None:
        """Wait until the server is no busier than in the quiet time, but not for ever."""
        began = time.monotonic()
        while time.monotonic() - began < SETTLING_SECONDS:
            if await asyncio.to_thread(process.cpu_percent, 2) / 100 < 1.5 * report.processors[QUIET]:
                break

    try:
        began = time.monotonic()
        while (answered := len(latencies.of("warm-up", "answer"))) < arguments.honest:
            if time.monotonic() - began > WARM_UP_SECONDS:
                failed = "; ".join(latencies.failures["warm-up"]) or "none has failed"
                sys.exit(
                    f"{answered} answers in {WARM_UP_SECONDS} s without attacks: the machine is too busy, or {failed}"
                )
            await asyncio.sleep(0.1)
        await measure(QUIET, quiet)
        attacks = [[name] for name in arguments.only] if arguments.each else [arguments.only]
        for names in attacks:
            with child(hostile.attack, site.url, arguments.hostile, names) as attackers:
                await asyncio.sleep(1)
                await measure(names[0] if arguments.each else HOSTILE, arguments.each or seconds - 2 * quiet)
                attackers.send("enough")
                report.outcomes |= await asyncio.to_thread(attackers.recv)
            await settled()
        await measure(AFTERWARDS, quiet / 2)
    finally:
        loop.remove_reader(worker.fileno())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return report


def main(arguments: argparse.Namespace) -> int:
    with child(model.serve_steady) as steady, child(model.serve_hostile) as hostile, child(work) as worker:
        models = {**steady.recv(), "HOSTILE_BASE_URL": hostile.recv()["OPENAI_BASE_URL"]}
        with site(models) as started:
            report = asyncio.run(soak(started, worker, arguments))
            report.log = started.log.read_text(errors="replace")
    return report.show()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--honest", type=int, default=50, help="guests who chat")
    parser.add_argument("--hostile", type=int, default=10, help="guests who attack")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=[*hostile.ATTACKS], help="attacks, by name"
    )
    parser.add_argument("--each", metavar="SECONDS", type=float, help="one attack after the other, for so long")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # ends what was started
    with suppress(KeyboardInterrupt):
        sys.exit(main(parser.parse_args()))
    sys.exit(130)
