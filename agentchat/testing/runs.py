"""Real runs in a test: an agent function with its journal, its threads and its database, without a browser.

`AgentChat` is what the fixture `agent_chat` gives: it plays the server (an event loop in a thread of its own, with the
keeper) and a page (a watcher that collects every frame). Waits are for frames, never for a time.

The one part of `testing` that needs Django, configured: the fixture imports it when it is asked for.
"""

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from agentchat import server
from agentchat.models import ChatSession
from agentchat.runs import control, frames
from agentchat.runs.hub import Watcher
from agentchat.runs.runner import in_db_thread, runner
from agentchat.visitors import Visitor

Frame = dict[str, Any]

WAIT_S = 20.0


class AgentChat:
    """One chat session with its owner before it. Every method may be called from the test's thread."""

    def __init__(self, agent: str, loop: asyncio.AbstractEventLoop, *, user: Any = None) -> None:
        self.visitor = Visitor(user=user) if user is not None else Visitor(guest_key=uuid.uuid4().hex)
        self.session = ChatSession.objects.create(agent=agent, **self.visitor.owner_fields)
        self.page = Page(self.session.pk, loop)

    @property
    def frames(self) -> list[Frame]:
        """What the page has received so far: facts and deltas."""
        return list(self.page.frames)

    def send(self, text: str) -> None:
        """Say something, as the composer does. Raise Rejected as the server would."""
        control.send(self.session.pk, self.visitor, client_id=uuid.uuid4(), text=text)

    def answer(self, request: str, value: Any) -> None:
        """Answer a question: with a text, a decision or a form, as it wants. Raise Rejected as the server would."""
        control.answer(self.session.pk, self.visitor, client_id=uuid.uuid4(), request=request, value=value)

    def retry(self, message_id: str | None = None) -> None:
        """Have an agent's message written again, or go on where the last run broke. Raise Rejected as the server."""
        control.retry(self.session.pk, self.visitor, client_id=uuid.uuid4(), message_id=message_id)

    def edit(self, message_id: str, text: str) -> None:
        """Say something else instead of a message. Raise Rejected as the server would."""
        control.edit(self.session.pk, self.visitor, client_id=uuid.uuid4(), message_id=message_id, text=text)

    def select_branch(self, number: int) -> None:
        """Look at the branch that goes on with this run. Raise Rejected as the server would."""
        control.select_branch(self.session.pk, self.visitor, client_id=uuid.uuid4(), number=number)

    def stop(self) -> bool:
        return control.stop(self.session.pk, by="test")

    def wait_for(self, type_: str, *, count: int = 1, **fields: Any) -> Frame:
        """Wait until the page has had `count` frames of this type with these fields; return the last of them."""
        return self.page.wait_for(type_, count=count, **fields)

    @property
    def said(self) -> list[tuple[str, str]]:
        """Who said what, in order, in messages that are complete and not empty: (name, content)."""
        names = {f["messageId"]: f["name"] for f in self.frames if f["type"] == "TEXT_MESSAGE_START"}
        ends = [f for f in self.frames if f["type"] == "TEXT_MESSAGE_END" and f["content"]]
        return [(names[end["messageId"]], end["content"]) for end in ends]


class Page:
    """A watcher that keeps what it is sent."""

    def __init__(self, session_id: uuid.UUID, loop: asyncio.AbstractEventLoop, *, after: int = 0) -> None:
        self.frames: list[Frame] = []
        self._changed = threading.Condition()
        self._loop = loop
        self._task: Future[None] = asyncio.run_coroutine_threadsafe(self._watch(session_id, after), loop)

    async def _watch(self, session_id: uuid.UUID, after: int) -> None:
        async def send(text: str) -> None:
            with self._changed:
                self.frames.append(json.loads(text))
                self._changed.notify_all()

        async def close() -> None:
            raise AssertionError("the page was closed as too slow")

        watcher = Watcher(
            session_id,
            after,
            send=send,
            read=lambda seq: in_db_thread(frames.frames_after)(session_id, seq),
            close=close,
        )
        await watcher.run()

    def wait_for(self, type_: str, *, count: int = 1, **fields: Any) -> Frame:
        def matching() -> list[Frame]:
            return [f for f in self.frames if f["type"] == type_ and fields.items() <= f.items()]

        with self._changed:
            if not self._changed.wait_for(lambda: len(matching()) >= count or self._task.done(), WAIT_S):
                seen = [f["type"] for f in self.frames]
                raise AssertionError(f"no {count} {type_} with {fields} came within {WAIT_S:g} s; there were {seen}")
            if self._task.done():
                self._task.result()
            return matching()[count - 1]

    def close(self) -> None:
        self._task.cancel()


@contextmanager
def running_server() -> Iterator[asyncio.AbstractEventLoop]:
    """A server's event loop in a thread, with the keeper; at the end, what runs is given away.

    Runs advance in it whatever ENGINE says: a test of an agent function needs no worker.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="agentchat-test-server", daemon=True)
    thread.start()

    def on_loop(work: Callable[[], Any]) -> Any:
        async def run() -> Any:
            result = work()
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(run(), loop).result(WAIT_S)

    async def end_the_rest() -> None:
        rest = asyncio.all_tasks(loop) - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await loop.shutdown_asyncgens()  # the LLM client's connections

    was_worker, runner.is_worker = runner.is_worker, True
    on_loop(server.start)
    try:
        yield loop
    finally:
        on_loop(server.stop)
        runner.is_worker = was_worker
        on_loop(end_the_rest)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()
