"""What it costs to send pages the HTML that each event changes: for one item, and for a chat that many pages watch.

    python -m benchmarks.live [pages] [turns]

Runs in this process; all times are of its processor. A turn is a message of the user, a tool call and an answer: nine
events. The same turns are sent to clients that want no HTML.
"""

import asyncio
import gzip
import json
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

from benchmarks.lab import GUEST, laboratory

ANSWER = "Here is **some** text with `code` and a [link](https://example.org), as models write it.\n\n- one\n- two\n\n"
ROUNDS = 300


def turn(number: int) -> list[tuple[str, dict[str, Any]]]:
    user, call, agent = f"u{number}", f"c{number}", f"a{number}"
    return [
        ("TEXT_MESSAGE_START", {"messageId": user, "role": "user", "name": "Ada"}),
        ("TEXT_MESSAGE_END", {"messageId": user, "content": "What is the weather in Paris?"}),
        ("TOOL_CALL_START", {"toolCallId": call, "toolCallName": "forecast", "name": "assistant"}),
        ("TOOL_CALL_ARGS", {"toolCallId": call, "args": '{"city": "Paris"}'}),
        ("TOOL_CALL_END", {"toolCallId": call}),
        (
            "TOOL_CALL_RESULT",
            {"toolCallId": call, "messageId": "t", "content": "sunny", "ok": True, "durationMs": 1234},
        ),
        ("TEXT_MESSAGE_START", {"messageId": agent, "role": "assistant", "name": "assistant"}),
        ("TEXT_MESSAGE_END", {"messageId": agent, "content": f"{number}. {ANSWER * 2}"}),
        ("USAGE", {"model": "m", "promptTokens": 100, "completionTokens": 20}),
    ]


def main(pages: int, turns: int) -> None:
    with laboratory(AGENTCHAT_SHOW_USAGE="all"):
        from agentchat.testing.runs import running_server

        show_items()
        with running_server() as loop:
            for html in (False, True):
                for watching in (1, pages):
                    cpu, sent = asyncio.run_coroutine_threadsafe(watch(watching, turns, html=html), loop).result(600)
                    what = "HTML" if html else "plain"
                    per_turn = (
                        f"{1000 * cpu / turns:6.2f} ms a turn, {1e6 * cpu / turns / 9 / watching:6.1f} us a frame"
                    )
                    print(f"{watching:4} pages, {what:5}  {per_turn}, {sent / turns / watching:7.0f} bytes a turn")
        page_load()


def show_items() -> None:
    """What an event costs in the thread that renders it, and how large its fragments are."""
    from agentchat.presentation.live import Viewer, changes_of, fragments_of
    from agentchat.presentation.reader import TranscriptReader

    viewer = Viewer(language="en", is_open=True, shows_usage=True, shows_details=True)
    reader = TranscriptReader()
    for seq, (type_, payload) in enumerate([("RUN_STARTED", {}), *turn(1)], 1):
        frame = {"type": type_, "seq": seq, "at": "2026-11-22T12:00:00.000+00:00", **payload}
        changes = changes_of(reader, frame)
        if fragments := fragments_of(changes, viewer):
            text = json.dumps(fragments, ensure_ascii=False).encode()
            cost = cpu_of(lambda changes=changes: fragments_of(changes, viewer))
            print(f"{type_:20} {1e6 * cost:6.0f} us, {len(text):5} bytes, {len(gzip.compress(text)):4} gzipped")


async def watch(pages: int, turns: int, *, html: bool) -> tuple[float, int]:
    """The processor's time for so many turns, and the bytes sent."""
    from agentchat.infra.db_threads import in_read_thread
    from agentchat.models import ChatSession, Event
    from agentchat.presentation.live import LivePage
    from agentchat.realtime.frames import frame_of, frames_after
    from agentchat.realtime.hub import current_hub
    from agentchat.realtime.subscriber import Subscriber
    from agentchat.visitors import Visitor
    from agentchat.websocket.chat_consumer import ChatConsumer

    def begin() -> uuid.UUID:
        return ChatSession.objects.create(agent="assistant", guest_key=GUEST).pk

    def save(facts: list[tuple[str, dict[str, Any]]], first: int) -> list[Any]:
        events = [
            Event(session_id=chat, seq=seq, step_number=seq, type=type_, payload=payload)
            for seq, (type_, payload) in enumerate(facts, first)
        ]
        return [frame_of(event, 1) for event in Event.objects.bulk_create(events)]

    chat = await in_read_thread(begin)()
    received = [0] * pages  # bytes
    seen = asyncio.Semaphore(0)

    def subscriber(index: int) -> Subscriber:
        consumer = ChatConsumer()
        consumer.session_id, consumer.agent, consumer.language = chat, "assistant", "en"
        consumer.visitor = Visitor(guest_key=GUEST)
        consumer.page = LivePage(chat) if html else None

        async def send(text: str) -> None:
            received[index] += len(text)  # ASCII
            each.ack(received[index])
            if text.startswith(('{"type":"RUN_STARTED"', '{"type":"USAGE"')):
                seen.release()

        async def close() -> None:
            raise AssertionError("closed")

        each = Subscriber(
            chat,
            0,
            hub=current_hub(),
            send=send,
            read=lambda seq: in_read_thread(frames_after)(chat, seq),
            close=close,
            prepare=consumer.prepare,
        )
        return each

    async def tell(frames: list[Any]) -> None:
        """Publish these events, and wait until each page has the last one."""
        current_hub().publish(chat, frames)
        for _ in tasks:
            await seen.acquire()

    tasks = [asyncio.create_task(subscriber(index).run()) for index in range(pages)]
    started = await in_read_thread(lambda: save([("RUN_STARTED", {})], 1))()
    await tell(started)
    saved = await in_read_thread(lambda: [save(turn(number), 9 * number + 2) for number in range(turns)])()
    begun = time.process_time()
    for frames in saved:
        await tell(frames)
    spent = time.process_time() - begun
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return spent, sum(received)


def page_load() -> None:
    """The page of a chat without messages: what is in every page."""
    from django.conf import settings
    from django.test import Client, override_settings

    from agentchat.models import ChatSession
    from benchmarks.lab import cookie

    chat = ChatSession.objects.create(agent="assistant", guest_key=GUEST)
    name, _, value = cookie().partition("=")
    client = Client(headers={"host": "127.0.0.1"})
    client.cookies[name] = value
    address = f"/chat/{chat.pk}/"
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # nothing was collected
    with override_settings(STORAGES={**settings.STORAGES, "staticfiles": plain}):
        content = client.get(address).content
        cost = cpu_of(lambda: client.get(address))
    print(
        f"the page of an empty chat  {1000 * cost:5.1f} ms, {len(content)} bytes, {len(gzip.compress(content))} gzipped"
    )


def cpu_of(work: Callable[[], Any]) -> float:
    """Seconds of the processor, of one time after some."""
    for _ in range(20):
        work()
    begun = time.process_time()
    for _ in range(ROUNDS):
        work()
    return (time.process_time() - begun) / ROUNDS


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:]]
    main(*(numbers + [200, 20][len(numbers) :]))
