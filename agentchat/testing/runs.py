"""Real runs in a test: an agent function with its journal, its threads and its database, without a browser.

The fixture `agent_chat` makes an `AgentChat`: it acts as the server (an event loop in a thread of its own, with the
supervisor) and as a page (a subscriber that collects every frame). Tests wait for frames, never for a time.

This is the only part of `testing` that needs Django: the fixture imports it when it is requested.
"""

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agentchat import chats, server
from agentchat.actions import branches, colleagues, handovers, messages, outbox, uploads
from agentchat.core.files import File
from agentchat.infra.db_threads import DB_POOL, in_db_thread
from agentchat.models import ChatSession, Run
from agentchat.realtime import frames
from agentchat.realtime.hub import current_hub
from agentchat.realtime.subscriber import Subscriber
from agentchat.runs.rehearsal import differences
from agentchat.runs.runner import runner
from agentchat.runs.stream import RunIOStream
from agentchat.visitors import Visitor

Frame = dict[str, Any]

WAIT_S = 20.0


class AgentChat:
    """One chat session and its owner's page. Every method may be called from the test's thread."""

    def __init__(self, agent: str, loop: asyncio.AbstractEventLoop, *, user: Any = None) -> None:
        self.visitor = Visitor(user=user) if user is not None else Visitor(guest_key=uuid.uuid4().hex)
        self.session = ChatSession.objects.create(agent=agent, **self.visitor.owner_fields)
        self.page = Page(self.session.pk, loop)
        self._loop = loop

    @property
    def frames(self) -> list[Frame]:
        """What the page has received so far: events and deltas."""
        return list(self.page.frames)

    def send(self, text: str, files: Sequence[File | Path] = ()) -> None:
        """Send a message, as the composer does; its files are uploaded before. Raise Rejected as the server would."""
        ids = [self._upload(File(each.name, each) if isinstance(each, Path) else each) for each in files]
        messages.send(self.session.pk, self.visitor, client_id=uuid.uuid4(), text=text, files=ids)

    def _upload(self, file: File) -> uuid.UUID:
        upload, part = uuid.uuid4(), uploads.part_bytes()
        uploads.begin(self.session.agent, self.visitor, name=file.name, size=file.size, upload_id=upload)
        data = file.read()
        for offset in range(0, len(data), part):
            uploads.receive(upload, self.visitor, offset=offset, data=data[offset : offset + part])
        return upload

    def answer(self, request: str, value: Any, *, by: Any = None) -> None:
        """Answer a question: with a text, a decision or a form. Raise Rejected as the server would.

        `by`: the user who answers in the inbox, where the question is for somebody else than the owner of the chat.
        """
        given = {"client_id": uuid.uuid4(), "request": request, "value": value}
        if by is None:
            messages.answer(self.session.pk, self.visitor, **given)
        else:
            colleagues.answer(self.session.pk, Visitor(user=by), **given)

    def retry(self, message_id: str | None = None) -> None:
        """Regenerate an agent's message, or retry after a failure. Raise Rejected as the server would."""
        branches.retry(self.session.pk, self.visitor, client_id=uuid.uuid4(), message_id=message_id)

    def edit(self, message_id: str, text: str) -> None:
        """Replace a message. Raise Rejected as the server would."""
        branches.edit(self.session.pk, self.visitor, client_id=uuid.uuid4(), message_id=message_id, text=text)

    def select_branch(self, number: int) -> None:
        """Select the branch that continues with this run. Raise Rejected as the server would."""
        branches.select_branch(self.session.pk, self.visitor, client_id=uuid.uuid4(), number=number)

    def signal(self, name: str, value: Any = None) -> None:
        """Send a signal to the run, as a project's own code does. It has been delivered when this returns."""
        chats.signal(self.session, name, value)
        outbox.deliver(self.session.pk)  # if the thread that does it has not come to it yet

    def take_over(self, *, by: Any) -> None:
        """Take the chat over as this user, or join a handover, as in the inbox. Raise Rejected as the server would."""
        handovers.take_over(self.session.pk, Visitor(user=by))

    def say(self, text: str, *, by: Any) -> None:
        """Say something as staff, in a chat that is handed over. Raise Rejected as the server would."""
        handovers.say(self.session.pk, Visitor(user=by), client_id=uuid.uuid4(), text=text)

    def give_back(self, *, by: Any) -> None:
        """Give the chat back to the agent. Raise Rejected as the server would."""
        handovers.give_back(self.session.pk, Visitor(user=by))

    def stop(self) -> bool:
        return messages.stop(self.session.pk, by="test")

    def replayed(self) -> None:
        """Call the agent function again from the journal of each run, as if its process had died after each step.

        Nothing is asked, shown or called. Raise AssertionError where the function would go another way, show something
        else, or has lost what it had in memory. Call this when the runs have ended, or wait for an answer.
        """
        for run in self.session.runs.exclude(status__in=[Run.Status.QUEUED, Run.Status.RUNNING]).order_by("number"):
            work = differences(run, after_each_step=True)
            if found := asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S):
                raise AssertionError("\n".join([f"run {run.number} of {run.agent!r}, called again:", *found]))

    def wait_for(self, type_: str, *, count: int = 1, **fields: Any) -> Frame:
        """Wait until the page has received `count` frames of this type with these fields; return the last of them."""
        return self.page.wait_for(type_, count=count, **fields)

    @property
    def said(self) -> list[tuple[str, str]]:
        """The complete messages with content, in order, as (name, content)."""
        names = {f["messageId"]: f["name"] for f in self.frames if f["type"] == "TEXT_MESSAGE_START"}
        ends = [f for f in self.frames if f["type"] == "TEXT_MESSAGE_END" and f["content"]]
        return [(names[end["messageId"]], end["content"]) for end in ends]


class Page:
    """A subscriber that keeps what it receives."""

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

        watcher = Subscriber(
            session_id,
            after,
            hub=current_hub(),
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
    """A server's event loop in a thread, with the supervisor; at the end, unfinished runs are released.

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

    async def cancel_remaining_tasks() -> None:
        remaining = asyncio.all_tasks(loop) - {asyncio.current_task()}
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)
        await loop.shutdown_asyncgens()  # the LLM client's connections

    was_worker, runner.is_worker = runner.is_worker, True
    RunIOStream.is_in_test = True
    on_loop(server.start)
    try:
        yield loop
    finally:
        on_loop(server.stop)
        runner.is_worker = was_worker
        RunIOStream.is_in_test = False
        on_loop(cancel_remaining_tasks)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WAIT_S)
        loop.close()
        DB_POOL.release()  # with its connections: a database in use cannot be dropped
