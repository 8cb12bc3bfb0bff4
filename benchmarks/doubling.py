"""What it costs that there is twice as much: chats at once, messages in a chat, stored chats, watchers, steps in a run.

    python -m benchmarks.doubling [rounds]

Four sizes of each, each twice the one before. What is measured is the processor's time of the server, which other work
on the machine changes little; the last column is the largest factor from one size to the next. The median of so many
rounds (3, if none is given). Exit code 1 if a factor is above 2.2: something grows faster than what there is.
"""

import asyncio
import statistics
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from itertools import pairwise
from typing import Any

from benchmarks.lab import GUEST, begin_chats, cookie, laboratory, page, runs, until, wait
from benchmarks.turns import at_once, cpu_of, pages, turn
from tests.sites import Site

LIMIT = 2.2
LIMITS = {
    f"AGENTCHAT_{name}": "1000000000"
    for name in (
        "MAX_RUNS",
        "MAX_STEPS",
        "MAX_RUN_TOKENS",
        "MAX_RUN_COST",
        "GUEST_SOCKETS",
        "GUEST_MESSAGES_PER_MINUTE",
    )
}
CHATS = (25, 50, 100, 200)
MESSAGES = (250, 500, 1000, 2000)
STORED = (1000, 2000, 4000, 8000)
WATCHERS = (6, 12, 24, 48)
OF_ONE_GUEST = 25  # who may have 60 sockets
STEPS = (250, 500, 1000, 2000)
TURNS, LOOKS = 10, 10
Measure = Callable[[], float]


def main(rounds: int) -> int:
    table: list[tuple[str, Sequence[int], list[float]]] = []
    with laboratory(**LIMITS) as (site, _):
        site.start()
        for what, sizes, measured in (
            ("chats that have a turn at once", CHATS, chats_at_once(site)),
            ("messages in a chat: its page, opened", MESSAGES, messages_in_a_chat(site, opened)),
            ("messages in a chat: a turn", MESSAGES, messages_in_a_chat(site, turns)),
            ("watchers of one chat: a turn", WATCHERS, watchers_of_a_chat(site)),
            ("stored chats: a turn, and the list", STORED, stored_chats(site)),
        ):
            table.append((what, sizes, [median(measure, rounds) for measure in measured]))
            report(*table[-1])
        site.close()
        table.append(
            ("steps in a run: an answer to it", STEPS, [median(measure, rounds) for measure in steps_in_a_run()])
        )
        report(*table[-1])
    return max(factor(seconds) for _, _, seconds in table) > LIMIT


def median(measure: Measure, rounds: int) -> float:
    measure()  # what is done once
    return statistics.median(measure() for _ in range(rounds))


def factor(seconds: Sequence[float]) -> float:
    return max(after / before for before, after in pairwise(seconds))


def report(what: str, sizes: Sequence[int], seconds: Sequence[float]) -> None:
    each = ", ".join(f"{size:,}: {1000 * spent:,.0f} ms" for size, spent in zip(sizes, seconds, strict=True))
    print(f"{what:38} {each}; at most {factor(seconds):.2f} times", flush=True)


# --- what grows -------------------------------------------------------------------------------------------------------


def chats_at_once(site: Site) -> Iterator[Measure]:
    for number in CHATS:
        with ExitStack() as stack:
            sockets = []
            for first in range(0, number, OF_ONE_GUEST):
                guest = f"guest {number} {first}"
                for chat in begin_chats(min(OF_ONE_GUEST, number - first), guest):
                    sockets.append(stack.enter_context(page(site, chat, cookie(guest))))
            wait(lambda: not runs(site, "queued") + runs(site, "running"))

            def measure(sockets: Any = sockets) -> float:
                with cpu_of(site) as spent:
                    at_once(sockets)
                return spent[0]

            yield measure


def messages_in_a_chat(site: Site, measured: Callable[[Site, uuid.UUID], float]) -> Iterator[Measure]:
    for number in MESSAGES:
        chat = chat_with_past(number)
        wait(lambda: not runs(site, "queued") + runs(site, "running"))
        yield lambda chat=chat: measured(site, chat)


def watchers_of_a_chat(site: Site) -> Iterator[Measure]:
    [chat] = begin_chats(1)
    wait(lambda: not runs(site, "queued") + runs(site, "running"))
    for number in WATCHERS:
        with ExitStack() as stack, pages(stack, site, [chat] * number) as sockets:

            def measure(sockets: Any = sockets) -> float:
                with cpu_of(site) as spent:
                    for _ in range(TURNS):
                        turn(sockets[0])
                        for other in sockets[1:]:
                            until(other, type="INPUT_REQUESTED")
                return spent[0]

            yield measure


def stored_chats(site: Site) -> Iterator[Measure]:
    [chat] = begin_chats(1)
    wait(lambda: not runs(site, "queued") + runs(site, "running"))
    for number in STORED:
        add_chats(number)
        yield lambda: turns(site, chat) + opened(site)


def steps_in_a_run() -> Iterator[Measure]:
    """In this process: only an agent function of our own has so many."""
    from agentchat import on_connect
    from agentchat.testing.runs import AgentChat, running_server

    @on_connect("long")
    def long(iostream: Any) -> None:
        number = int(iostream.input())
        for step in range(number):
            iostream.step("count", lambda step=step: {"step": step, "text": "what a step has brought"})
        while True:
            iostream.input("And now?")

    with running_server() as loop:
        for number in STEPS:
            chat = AgentChat("long", loop)
            chat.send(str(number))
            chat.wait_for("INPUT_REQUESTED")
            asked = 1

            def measure(chat: Any = chat) -> float:
                nonlocal asked
                began, asked = time.process_time(), asked + 1
                chat.send("Go on")
                chat.wait_for("INPUT_REQUESTED", count=asked)
                return time.process_time() - began

            yield measure
            chat.stop()
            chat.wait_for("RUN_FINISHED")
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()


# --- what is measured -------------------------------------------------------------------------------------------------


def opened(site: Site, chat: uuid.UUID | None = None) -> float:
    """The seconds for some visits to a page: that of a chat, or the list."""
    address = f"{site.url}/chat/{chat}/" if chat else f"{site.url}/chat/"
    request = urllib.request.Request(address, headers={"Cookie": cookie()})
    with cpu_of(site) as spent:
        for _ in range(LOOKS):
            with urllib.request.urlopen(request) as response:
                response.read()
    return spent[0]


def turns(site: Site, chat: uuid.UUID) -> float:
    with page(site, chat, cookie()) as socket, cpu_of(site) as spent:
        for _ in range(TURNS):
            turn(socket)
    return spent[0]


def chat_with_past(messages: int) -> uuid.UUID:
    """A chat that has so many messages, in finished runs of two each; and a run that begins now."""
    from agentchat.actions import messages as actions
    from agentchat.models import ChatSession, Event, Run
    from agentchat.visitors import Visitor, guest_digest

    visitor = Visitor(guest_key=guest_digest(GUEST))
    session = ChatSession.objects.create(agent="assistant", **visitor.owner_fields)
    numbers = range(1, messages // 2 + 1)
    past = [Run(session=session, number=number, agent="assistant", status=Run.Status.FINISHED) for number in numbers]
    Run.objects.bulk_create(past)
    for before, run in pairwise(past):
        run.parent = before
    Run.objects.bulk_update(past, ["parent"], batch_size=200)
    events: list[Event] = []
    for run in past:
        for ordinal, (type_, payload) in enumerate(exchange(run.number)):
            place = {"seq": len(events) + 1, "run": run, "step_number": 1, "ordinal": ordinal}
            events.append(Event(session=session, type=type_, payload=payload, **place))
    Event.objects.bulk_create(events)
    ChatSession.objects.filter(pk=session.pk).update(next_seq=len(events) + 1, head=past[-1])
    actions.send(session.pk, visitor, client_id=uuid.uuid4(), text="Hello")
    return session.pk


def exchange(number: int) -> list[tuple[str, dict[str, Any]]]:
    question, answer = f"u{number}", f"a{number}"
    return [
        ("RUN_STARTED", {}),
        ("TEXT_MESSAGE_START", {"messageId": question, "role": "user", "name": "Ada"}),
        ("TEXT_MESSAGE_END", {"messageId": question, "content": "What is the weather in Paris?"}),
        ("TEXT_MESSAGE_START", {"messageId": answer, "role": "assistant", "name": "assistant"}),
        ("TEXT_MESSAGE_END", {"messageId": answer, "content": "It is **sunny**, and will be. " * 4}),
        ("RUN_FINISHED", {"outcome": {"type": "success"}}),
    ]


def add_chats(number: int) -> None:
    """Let the guest have so many chats, which ended yesterday; what was added before is among them."""
    from django.utils import timezone

    from agentchat.models import ChatSession
    from agentchat.visitors import guest_digest

    owned = ChatSession.objects.filter(guest_key=guest_digest(GUEST))
    ids = [uuid.uuid4() for _ in range(number - owned.count())]
    ChatSession.objects.bulk_create(
        [
            ChatSession(id=each, agent="assistant", title="Weather", next_seq=2, guest_key=guest_digest(GUEST))
            for each in ids
        ],
        batch_size=500,
    )
    ChatSession.objects.filter(title="Weather").update(updated_at=timezone.now() - timedelta(days=1))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
