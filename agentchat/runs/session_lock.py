"""The row of a chat session, and what is written under its lock: numbered events, and new runs.

Every transaction that touches a chat session locks its row first: one lock order, no deadlocks, no gaps in `seq`.
None waits for it longer than LOCK_TIMEOUT_SECONDS at a time, since it occupies a thread and a connection: a stuck
transaction blocks its own chat session, and no other.
"""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from uuid import UUID

from agentchat import signals
from agentchat.budgets import metering
from agentchat.events import RunStarted
from agentchat.infra import moments
from agentchat.infra.database import USER_TIMEOUT_SECONDS, connection, lock_timeout
from agentchat.infra.sanitize import clean_json
from agentchat.infra.statements import insert, select_one, select_with, update
from agentchat.models import ChatSession, Event, Run
from agentchat.models.title_request import request_title
from agentchat.realtime.frames import Frame, frame_of
from agentchat.runs.origins import Origin

SAVED_FIELDS = ("next_seq", "head_id", "title", "handover_id")  # of a chat session: what may be set while it is locked
LOCK_TIMEOUT_SECONDS = USER_TIMEOUT_SECONDS  # a user waits this long once, a run's thread again and again


@contextmanager
def lock_session(
    session_id: UUID,
    *,
    not_found: BaseException | type[BaseException] = ChatSession.DoesNotExist,
    **columns: Any,
) -> Iterator[ChatSession]:
    """A transaction that holds the chat session's row lock. Raise `not_found` if the session was deleted.

    `columns` are further conditions: a session that does not have these values is not found, and not locked either.
    What the block sets of it (SAVED_FIELDS) is saved once, at its end. Raise a transient database error if another
    transaction holds the lock for LOCK_TIMEOUT_SECONDS.
    """
    with lock_timeout(LOCK_TIMEOUT_SECONDS):
        session = select_one(ChatSession, lock=True, id=session_id, **columns)
        if session is None:
            raise not_found
        with _saved_at_end(session):
            yield session


@contextmanager
def lock_session_of(session_id: UUID, run_id: int, *, not_found: type[BaseException]) -> Iterator[Run]:
    """The same as `lock_session`, for one of its runs: read once the lock is held, with its `session`."""
    with lock_timeout(LOCK_TIMEOUT_SECONDS):
        if connection().features.has_select_for_update:
            session = select_one(ChatSession, lock=True, id=session_id)
            run = select_one(Run, id=run_id, session_id=session_id)
            if session is None or run is None:
                raise not_found
            run.session = session
        else:  # this transaction has the only lock that there is: one statement finds both
            run = select_with(Run, "session", id=run_id, session_id=session_id)
            if run is None:
                raise not_found
        with _saved_at_end(run.session):
            yield run


@contextmanager
def _saved_at_end(session: ChatSession) -> Iterator[None]:
    before = {name: getattr(session, name) for name in SAVED_FIELDS}
    yield
    if changed := [name for name in SAVED_FIELDS if getattr(session, name) != before[name]]:
        update(session, *changed, "updated_at")


class StorableEvent(Protocol):
    """What can be stored as an event."""

    @property
    def type(self) -> str: ...

    def payload(self) -> dict[str, Any]: ...


def append(
    session: ChatSession, run: Run | None, events: Iterable[StorableEvent], origins: Iterable[Origin | None] = ()
) -> list[Frame]:
    """Number and save events of a locked chat session. An event without an origin comes from no step."""
    rows: list[Event] = []
    for event, origin in itertools.zip_longest(events, origins):
        rows.append(
            Event(
                session=session,
                seq=session.next_seq,
                run=run,
                step_number=origin.step if origin else None,
                ordinal=origin.ordinal if origin else 0,
                type=event.type,
                payload=clean_json(event.payload()),
                created_at=moments.now(),
            )
        )
        session.next_seq += 1
    if not rows:
        return []
    insert(rows)
    if run is not None:
        signals.send_for(run, rows)
        request_title(session, rows)
    return [frame_of(row, run.number if run else None) for row in rows]


def start_run(
    session: ChatSession,
    *,
    parent: Run | None = None,
    from_seq: int | None = None,
    from_step: int = 0,
    is_counted: bool = True,
) -> tuple[Run, list[Frame]]:
    """Start a run of a locked chat session that has no live one. It is queued.

    It follows the head, or forks from `parent` as `Run` describes. `is_counted`: budgets of runs count it.
    """
    last = session.runs.order_by("-number").first()
    if parent is None:
        parent = last if last is None or last.pk == session.head_id else (session.head or last)
    run = Run.objects.create(
        session=session,
        number=last.number + 1 if last else 1,
        agent=session.agent,
        parent=parent,
        from_seq=from_seq,
        from_step=from_step,
    )
    select_head(session, run)
    if is_counted:
        metering.record(metering.spender_of(session), {"runs": 1})
    return run, append(session, run, [RunStarted(parent=parent.number if parent else None, from_seq=from_seq)])


def select_head(session: ChatSession, run: Run) -> None:
    """Make the branch that ends in this run the one that pages show."""
    session.head = run
