"""A chat session's row, and what is written under its lock: numbered facts, and runs that begin.

Every transaction that touches a chat session locks its row first: one lock order, no deadlocks, no holes in `seq`.
Nobody waits for it longer than LOCK_S at a time, with a thread and a connection: a transaction that stands still holds
up its own chat session, and no other.
"""

import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from django.utils import timezone

from agentchat.events import RunStarted
from agentchat.models import ChatSession, Run
from agentchat.models import Event as StoredEvent
from agentchat.runs.database import PERSON_S, brief_locks
from agentchat.runs.frames import Frame, frame_of
from agentchat.runs.storable import clean_json

KEPT = ("next_seq", "head_id", "title")  # of a chat session, what is set while it is locked
LOCK_S = PERSON_S  # so long one waits for a chat session: a person once, a run's thread again and again for RUN_S


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a fact comes from: the same place gives the same fact in every life of the run."""

    step: int
    ordinal: int


@contextmanager
def locked(session_id: UUID, *, gone: type[BaseException] = ChatSession.DoesNotExist) -> Iterator[ChatSession]:
    """A transaction that holds the chat session: nobody else writes to it meanwhile. Raise `gone` if it was deleted.

    What the block sets of it (KEPT) is saved once, at its end. Raise a database error that passes if somebody else
    holds it for LOCK_S.
    """
    with brief_locks(LOCK_S):
        session = ChatSession.objects.select_for_update().filter(pk=session_id).first()
        if session is None:
            raise gone
        before = {name: getattr(session, name) for name in KEPT}
        yield session
        if changed := [name for name in KEPT if getattr(session, name) != before[name]]:
            session.save(update_fields=[*changed, "updated_at"])


class Fact(Protocol):
    """What can be stored as an event."""

    @property
    def type(self) -> str: ...

    def payload(self) -> dict[str, Any]: ...


def append(
    session: ChatSession, run: Run | None, facts: Iterable[Fact], origins: Iterable[Origin | None] = ()
) -> list[Frame]:
    """Number and save facts of a locked chat session. Where no origin is given, no step made them."""
    rows: list[StoredEvent] = []
    for fact, origin in itertools.zip_longest(facts, origins):
        rows.append(
            StoredEvent(
                session=session,
                seq=session.next_seq,
                run=run,
                step_number=origin.step if origin else None,
                ordinal=origin.ordinal if origin else 0,
                type=fact.type,
                payload=clean_json(fact.payload()),
                created_at=timezone.now(),
            )
        )
        session.next_seq += 1
    if not rows:
        return []
    StoredEvent.objects.bulk_create(rows)
    return [frame_of(row, run.number if run else None) for row in rows]


def start_run(
    session: ChatSession, *, parent: Run | None = None, from_seq: int | None = None, from_step: int = 0
) -> tuple[Run, list[Frame]]:
    """A new run of a locked chat session that has no live one. It is queued.

    It follows the head, or parts from `parent`, as `Run` says.
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
    select(session, run)
    return run, append(session, run, [RunStarted(parent=parent.number if parent else None, from_seq=from_seq)])


def select(session: ChatSession, run: Run) -> None:
    """Make the branch that ends in this run the one that people look at."""
    session.head = run
