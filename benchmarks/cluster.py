"""Many chats that stream over two web nodes and two workers, on PostgreSQL and Redis: what is lost, what does it cost?

    python -m benchmarks.cluster [chats] [tokens a second] [seconds]

200, 25 and 60 if nothing is said. TEST_DATABASE_URL and TEST_REDIS_URL say where the services are; a database and keys
of its own are made and removed. Each chat is of another guest; half are watched at each node; all begin in the same
moment. A token is late by the time from the model's word to the arrival at the page's websocket, over whichever
worker and node lie between. Lateness and CPU are those of the time in which all chats stream.
"""

import asyncio
import json
import statistics
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.lab import LIMITS, PUBLIC
from benchmarks.steady_model import SteadyModel
from scripts.cluster import NODES, Cluster
from tests.services.cluster import REDIS_URL, own_database, own_prefix
from tests.sites import Site

SERVICES = ("postgres", "redis-server")
ACK_BYTES = 32 * 1024


@dataclass
class Page:
    """What one page's websocket has received of its chat's only answer."""

    name: str
    sent_at: float = 0.0
    parts: list[str] = field(default_factory=list)
    arrived: list[tuple[float, int]] = field(default_factory=list)  # when, and how many tokens were there then
    tokens: int = 0
    length: int = 0
    content: str | None = None
    seqs: list[int] = field(default_factory=list)
    torn: bool = False  # a delta that does not go on where the last one ended

    def take(self, frame: Mapping[str, Any]) -> None:
        now = time.monotonic()
        if "seq" in frame:
            self.seqs.append(frame["seq"])
        if frame["type"] == "TEXT_MESSAGE_CONTENT":
            self.torn |= frame["offset"] != self.length
            self.length += len(frame["delta"])
            self.parts.append(frame["delta"])
            self.tokens += frame["delta"].count(" ")
            self.arrived.append((now, self.tokens))
        elif frame["type"] == "TEXT_MESSAGE_END" and self.parts and frame["messageId"] != self.name:
            self.content = frame["content"]

    def has_all(self, tokens: int) -> bool:
        """Whether the text is whole and came once. Its last words may come with the END alone, which says all."""
        whole = "".join(f"{number} " for number in range(tokens)).strip()
        return (
            not self.torn
            and self.content is not None
            and self.content.strip() == whole
            and whole.startswith("".join(self.parts).strip())
            and self.seqs == sorted(set(self.seqs))
        )

    def only_with_the_end(self, tokens: int) -> int:
        """How many of so many tokens no delta has brought: nothing is lost, but nobody saw them come."""
        return tokens - len("".join(self.parts).split())

    def lateness(self, said: list[float], begun: float, ended: float) -> list[float]:
        """Seconds between the two moments of each token that was said in this time."""
        late, before = [], 0
        for moment, count in self.arrived:
            late += [moment - said[number] for number in range(before, count) if begun <= said[number] <= ended]
            before = count
        return late


async def look(page: Page, address: str, origin: str, cookie: str, ready: asyncio.Barrier, go: asyncio.Event) -> None:
    headers = {"Cookie": cookie}
    async with connect(address, origin=origin, additional_headers=headers, proxy=None, compression=None) as socket:
        await socket.send(json.dumps({"type": "hello", "after": 0}))
        await ready.wait()
        await go.wait()
        page.sent_at = time.monotonic()
        await socket.send(json.dumps({"type": "send", "id": page.name, "text": f"Count, {page.name}"}))
        await _receive(page, socket)


async def _receive(page: Page, socket: ClientConnection) -> None:
    received = acked = 0
    while page.content is None:
        text = await socket.recv()
        received += len(text.encode() if isinstance(text, str) else text)
        page.take(json.loads(text))
        if received - acked > ACK_BYTES:
            acked = received
            await socket.send(json.dumps({"type": "ack", "seq": page.seqs[-1] if page.seqs else 0, "bytes": received}))


def services() -> dict[str, list[psutil.Process]]:
    found: dict[str, list[psutil.Process]] = {name: [] for name in SERVICES}
    for process in psutil.process_iter(["name"]):
        if process.info["name"] in found:
            found[process.info["name"]].append(process)
    return found


def cpu_of(processes: Mapping[str, list[psutil.Process]]) -> dict[str, float]:
    """Seconds of each so far."""
    used = {}
    for name, some in processes.items():
        used[name] = 0.0
        for each in some:
            try:
                times = each.cpu_times()
            except psutil.NoSuchProcess:
                continue
            used[name] += times.user + times.system
    return used


async def measure(cluster: Cluster, model: SteadyModel, chats: list[tuple[uuid.UUID, str]], seconds: float) -> None:
    pages = [Page(str(uuid.uuid4())) for _ in chats]
    ready, go = asyncio.Barrier(len(pages) + 1), asyncio.Event()
    looking = []
    for number, (page, (chat, cookie)) in enumerate(zip(pages, chats, strict=True)):
        node = cluster.urls[NODES[number % len(NODES)]]
        address = f"{node.replace('http', 'ws')}/ws/chat/{chat}/"
        looking.append(asyncio.create_task(look(page, address, node, cookie, ready, go)))
    await ready.wait()
    go.set()
    while not all(page.tokens for page in pages):
        if failed := [each for each in looking if each.done()]:
            await failed[0]
        await asyncio.sleep(0.05)
    processes = {name: [psutil.Process(process.pid)] for name, process in cluster.processes.items()} | services()
    before, tokens, at = cpu_of(processes), sum(page.tokens for page in pages), time.monotonic()
    await asyncio.sleep(seconds * 0.7)
    after, streamed, took = cpu_of(processes), sum(page.tokens for page in pages) - tokens, time.monotonic() - at
    memory = {name: psutil.Process(process.pid).memory_info().rss for name, process in cluster.processes.items()}
    await asyncio.wait_for(asyncio.gather(*looking), seconds * 5)
    report(pages, model, {name: after[name] - before[name] for name in after}, memory, streamed, (at, at + took))


def report(
    pages: list[Page],
    model: SteadyModel,
    used: Mapping[str, float],
    memory: Mapping[str, int],
    streamed: int,
    window: tuple[float, float],
) -> None:
    took = window[1] - window[0]
    late = sorted(each * 1000 for page in pages for each in page.lateness(model.said[page.name], *window))
    first = sorted(page.arrived[0][0] - page.sent_at for page in pages)
    lost = [page for page in pages if not page.has_all(model.tokens)]
    asked = sorted(model.said[page.name][0] - page.sent_at for page in pages)
    print(f"{len(pages)} chats, {len(pages) * model.tokens} tokens; of {len(lost)} some was lost, or came twice")
    unseen = sum(page.only_with_the_end(model.tokens) for page in pages)
    print(f"tokens that came with the END alone: {unseen}, {unseen / (len(pages) * model.tokens):.2%}")
    print(f"from the message to the model's first word: {_middle_and_last(asked)}")
    print(f"from the message to the page's first word: {_middle_and_last(first)}")
    print(
        f"late, while all streamed: {statistics.median(late):.0f} ms (median), {late[len(late) * 99 // 100]:.0f} (99 %)"
    )
    print(f"while all streamed: {streamed / took:.0f} tokens/s")
    for name, seconds in used.items():
        megabytes = f", {memory[name] / 2**20:.0f} MiB" if name in memory else ""
        print(f"  {name:<13} {seconds / streamed * 1e6:6.0f} µs a token, {seconds / took:.2f} cores{megabytes}")
    print(f"  {'together':<13} {sum(used.values()) / streamed * 1e6:6.0f} µs a token")
    if lost:
        sys.exit(1)


def _middle_and_last(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s (median), {max(seconds):.2f} s (last)"


def make_chats(site: Site, number: int) -> list[tuple[uuid.UUID, str]]:
    """Chat sessions of as many guests, each with its cookie. In a process of its own: this one has no Django."""
    script = (
        "from agentchat.models import ChatSession; from agentchat.visitors import GUEST_KEY, guest_digest\n"
        "from django.contrib.sessions.backends.db import SessionStore\n"
        f"for number in range({number}):\n"
        "    s = SessionStore(); s[GUEST_KEY] = f'benchmark-{number}'; s.save()\n"
        "    chat = ChatSession.objects.create(agent='assistant', guest_key=guest_digest(f'benchmark-{number}'))\n"
        "    print('CHAT', chat.pk, s.session_key)\n"
    )
    said = [line.split() for line in site.manage("shell", "-c", script).splitlines()]
    return [(uuid.UUID(line[1]), f"sessionid={line[2]}") for line in said if line[:1] == ["CHAT"]]


async def run(folder: Path, database_url: str, prefix: str, chats: int, rate: float, seconds: float) -> None:
    async with SteadyModel(int(rate * seconds), rate).serve() as model:
        site = Site(
            folder,
            **PUBLIC,
            **LIMITS,
            DATABASE_URL=database_url,
            REDIS_URL=REDIS_URL,
            REDIS_PREFIX=prefix,
            AGENTCHAT_ENGINE="celery",
            AGENTCHAT_MAX_RUNS=str(chats),
            OPENAI_BASE_URL=model.url,
            OPENAI_API_KEY="sk-benchmark",
        )
        (folder / "static").mkdir()
        site.environment |= {"DJANGO_SETTINGS_MODULE": "tests.public_site", "STATIC_ROOT": str(folder / "static")}
        await asyncio.to_thread(site.manage, "migrate", "--verbosity", "0")
        made = await asyncio.to_thread(make_chats, site, chats)
        cluster = Cluster(site.environment)
        try:
            await asyncio.to_thread(cluster.start)
            await measure(cluster, model, made, seconds)
        finally:
            await asyncio.to_thread(cluster.stop)


def main() -> None:
    numbers = [float(each) for each in sys.argv[1:]]
    chats, rate, seconds = numbers + [200.0, 25.0, 60.0][len(numbers) :]
    with TemporaryDirectory() as folder, own_database() as database_url, own_prefix() as prefix:
        asyncio.run(run(Path(folder), database_url, prefix, int(chats), rate, seconds))


if __name__ == "__main__":
    main()
