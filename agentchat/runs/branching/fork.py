"""Fork points: where "try again" and "edit" begin, and the run that forks from an older one there.

A fork point is an event: what came before it is shared, with the steps that led to it, and what came after it stays in
the older branch. Two kinds of events do not end so neatly there, and are replayed in the new run:

- what an inherited step emitted after the point, where the user wrote while an agent did;
- what the user wrote before the point and no run had read by then: the new run has it in its inbox.

Everything happens within a transaction on the locked chat session, whose last run has ended.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

from agentchat.core import registry
from agentchat.errors import NonDeterminismError, Rejected
from agentchat.events import (
    InputAnswered,
    InputRequested,
    NestedChatsFinished,
    RunError,
    RunFinished,
    RunStarted,
    TextMessageEnd,
    TextMessageStart,
)
from agentchat.infra.ids import parse_uuid
from agentchat.models import ChatSession, Event, InboxItem, Run, Step
from agentchat.realtime.frames import Frame
from agentchat.runs.branching.inheritance import InheritedJournal, fatal_steps
from agentchat.runs.branching.tree import Tree
from agentchat.runs.handovers import is_said_to_staff
from agentchat.runs.limits import is_limit_step
from agentchat.runs.origins import QUESTION_ORDINALS, Origin, Phase
from agentchat.runs.questions import EXPIRED
from agentchat.runs.session_lock import append, start_run

MAX_DEPTH = 200  # fork points within each other: a branch is a condition with a term for each

_ENDS = (RunFinished.type, RunError.type)


@dataclass(frozen=True, kw_only=True)
class ForkPoint:
    """Where a new run forks from `run`: before the event `seq`, with its steps up to `steps`.

    `keeps_events`: what those steps emitted after the point is replayed; else the new run emits it by itself.
    `keeps_unread`: messages after the point that no run has read are kept, too. `message_id` is the message that an
    edit replaces, and `question` the request that it answered.
    """

    run: Run
    seq: int
    steps: int
    keeps_events: bool = True
    keeps_unread: bool = False
    message_id: str = ""
    question: str = ""


# --- finding the point ----------------------------------------------------------------------------------------------


def fork_point_for_retry(session: ChatSession, message_id: str) -> ForkPoint:
    """The point before the model was asked for this message; without a model, the run's start. Raise Rejected."""
    start = _start_of(session, message_id)
    run = start.run
    if start.payload["role"] in ("user", "staff") or run is None:
        raise _no_message()
    if _starts_over(session, run):
        return _from_start(session, run)
    tree = Tree.of(session.pk)
    journal = InheritedJournal(tree, run.pk)
    last = start.step_number or 0
    models = [number for number, step in journal.steps.items() if step.kind == "llm" and number <= last]
    if last and last not in journal.steps and Origin.of(start).phase is not Phase.AFTER:
        models.append(last)  # the answer was cut off, and is not recorded
    if not models:
        return _from_start(session, run)
    number = max(models)
    if number in journal.steps:
        run = session.runs.get(pk=journal.steps[number].run_id)
    # A model that is asked silently has emitted nothing: then the point is what came next.
    seq = min(
        event.seq
        for event in _events(InheritedJournal(tree, run.pk))
        if event.step_number and event.step_number >= number
    )
    return ForkPoint(run=run, seq=seq, steps=number - 1)


def fork_point_for_failure(session: ChatSession) -> ForkPoint:
    """The point at which the last run failed or was stopped. Raise Rejected if it did not."""
    run = session.head
    if run is None or run.status not in (Run.Status.FAILED, Run.Status.STOPPED, Run.Status.INTERRUPTED):
        raise Rejected("nothing_to_retry", gettext("There's nothing to try again here."))
    if _starts_over(session, run):
        return _from_start(session, run)
    journal = InheritedJournal(Tree.of(session.pk), run.pk)
    steps = max((*journal.steps, *journal.to_repeat), default=0)
    while steps in journal.steps and _ended_the_run(journal.steps[steps]):
        steps -= 1
    if not steps:
        return _from_start(session, run)
    events = _events(journal)
    fatal = set(fatal_steps(journal.steps))
    seq = next((event.seq for event in events if _is_undone(event, steps, fatal, journal, events)), None)
    return ForkPoint(run=run, seq=_earliest(seq, _end_of(run, events)), steps=steps, keeps_unread=True)


def fork_point_for_edit(session: ChatSession, message_id: str) -> ForkPoint:
    """The point before the user sent this message. Raise Rejected."""
    start = _start_of(session, message_id)
    run = start.run
    if start.payload["role"] != "user" or run is None:
        raise _no_message()
    client_id = parse_uuid(message_id)
    item = session.inbox.filter(client_id=client_id).first() if client_id else None
    if item is None or is_said_to_staff(item):
        raise _not_possible()
    journal = InheritedJournal(Tree.of(session.pk), run.pk)
    is_durable = _is_durable(session)
    if item.step is not None and item.run_id == run.pk:
        if item.step > 1 and not is_durable:
            raise _not_possible()
        question = _question_at(journal, item.step, start.seq)
        answered = question if question and question == item.request_id else ""
        return ForkPoint(run=run, seq=start.seq, steps=item.step - 1, message_id=message_id, question=answered)
    if not journal.steps and run.from_seq is None:
        return ForkPoint(run=run, seq=start.seq, steps=0, message_id=message_id)
    if not is_durable or run.status != Run.Status.FINISHED:
        raise _not_possible()
    # It was sent while the run did something else, and read by the next one: the new run replays what this one did
    # before, ends without emitting anything, and the next one reads the new text.
    return ForkPoint(run=run, seq=start.seq, steps=max(journal.steps, default=0), message_id=message_id)


def _from_start(session: ChatSession, run: Run) -> ForkPoint:
    """The point before a run did anything: with what the user had sent by then, and without what came of it."""
    tree = Tree.of(session.pk)
    root = session.runs.get(pk=tree.lineage(run.pk)[0].node.pk)
    journal = InheritedJournal(tree, root.pk)
    events = _events(journal)
    seq = next((event.seq for event in events if event.step_number is not None), None)
    first = journal.steps.get(1)
    has_read = (
        first is not None and first.kind == "input" and first.result != EXPIRED and not _starts_over(session, run)
    )
    is_message = has_read and session.inbox.filter(run=root, step=1, request_id="").exists()
    seq = _earliest(seq, _end_of(root, events))
    return ForkPoint(run=root, seq=seq, steps=1 if is_message else 0, keeps_events=False)


def _starts_over(session: ChatSession, run: Run) -> bool:
    """Whether its journal is of no use: the agent function cannot be replayed, or has changed."""
    return not _is_durable(session) or run.error_code == NonDeterminismError.code


def _is_durable(session: ChatSession) -> bool:
    agent = registry.find(session.agent)
    return agent is None or agent.durable


def _ended_the_run(step: Step) -> bool:
    """An answer, or the lack of one, that ended the run: the user is asked again."""
    if step.result == EXPIRED:
        return step.kind in ("input", "wait")
    if step.kind != "input":
        return False
    return is_limit_step(step.name) and step.result.get("decision") == "reject"


def _is_undone(event: Event, steps: int, fatal: set[int], journal: InheritedJournal, events: list[Event]) -> bool:
    """Whether it was emitted by a step that is to be made again, or asks what is to be asked again."""
    step = event.step_number
    if step is None:
        return False
    phase = Origin.of(event).phase
    if step > steps or (step in fatal and phase is not Phase.AFTER):
        return True
    if phase is not Phase.ASKED_AGAIN or step not in journal.steps:
        return False
    request = event.payload.get("request")
    is_answered = any(each.type == InputAnswered.type and each.payload["request"] == request for each in events)
    return journal.steps[step].status == Step.Status.STARTED and not is_answered


def _end_of(run: Run, events: list[Event]) -> int:
    """Where its end begins: the events that close what was unfinished come right before the last one."""
    own = [event for event in events if event.run_id == run.pk]
    index = next(i for i in range(len(own) - 1, -1, -1) if own[i].type in _ENDS)
    while index and _closes(own[index - 1]):
        index -= 1
    return own[index].seq


def _closes(event: Event) -> bool:
    return event.step_number is None and (
        event.type == NestedChatsFinished.type or (event.type == TextMessageEnd.type and "stopped" in event.payload)
    )


def _question_at(journal: InheritedJournal, step: int, before: int) -> str:
    """The request of the question that this step asked before the event with this number; empty if it did not."""
    asked = Event.objects.filter(
        journal.is_emitted, type=InputRequested.type, step_number=step, ordinal__in=QUESTION_ORDINALS, seq__lt=before
    ).last()
    return str(asked.payload["request"]) if asked else ""


# --- the new run ----------------------------------------------------------------------------------------------------


def fork(session: ChatSession, point: ForkPoint) -> tuple[Run, list[Frame], list[Event]]:
    """Start a run at this point. Return also the events to replay after an edit's text (see `replay_events`).

    Raise Rejected if the run cannot be replayed.
    """
    tree = Tree.of(session.pk)
    journal = InheritedJournal(tree, point.run.pk)
    if any(number <= point.steps for number in journal.erased_passwords):
        message = gettext(
            "A password was entered before this point, and passwords aren't stored. Send a message to start over."
        )
        raise Rejected("password_erased", message)
    events = _events(journal)
    unread = _unread(session, journal, events, point)
    seq = min([point.seq, *(event.seq for event in unread)])
    ids = {event.payload["messageId"]: uuid.uuid4() for event in unread if event.seq < point.seq}
    if point.keeps_unread:
        ids |= {event.payload["messageId"]: uuid.uuid4() for event in unread}
    before = [event for event in events if seq <= event.seq < point.seq and event.type != RunStarted.type]
    after = [event for event in events if event.seq >= point.seq and _is_kept(event, journal, events, point, ids)]
    parent, from_seq, from_step = point.run, seq, point.steps
    made_by = {step.run_id for number, step in journal.steps.items() if number <= from_step}
    while parent.parent and parent.from_seq and seq < parent.from_seq and parent.pk not in made_by:
        parent = parent.parent  # the point lies in what it has inherited
    is_at_start = all(
        event.type == RunStarted.type for event in events if event.run_id == parent.pk and event.seq < seq
    )
    parents_fork = parent.from_seq
    if is_at_start and parent.parent is not None and parents_fork is not None and parent.from_step == from_step:
        parent, from_seq = parent.parent, parents_fork  # another alternative at the same point, not a point within it
    if sum(each.before is not None for each in tree.branch(parent.pk)) >= MAX_DEPTH:
        raise Rejected("too_many_branches", gettext("This chat has too many branches. Please start a new chat."))
    read_later = _read_from_before(session, journal, events, point)
    run, frames = start_run(session, parent=parent, from_seq=from_seq, from_step=from_step)
    _restore(session, [*ids.items(), *((message_id, uuid.uuid4()) for message_id in read_later)])
    frames += replay_events(session, run, before, ids)
    return run, frames, [_renamed(event, ids) for event in after]


def replay_events(
    session: ChatSession, run: Run, events: Iterable[Event], ids: dict[str, uuid.UUID] | None = None
) -> list[Frame]:
    """Emit events of an older run again, as this run's. Messages of the user get new ids."""
    replayed = [_renamed(event, ids or {}) for event in events]
    origins = [None if event.step_number is None else Origin.of(event) for event in replayed]
    return append(session, run, [_ReplayedEvent(type=event.type, stored=event.payload) for event in replayed], origins)


@dataclass(frozen=True, kw_only=True)
class _ReplayedEvent:
    """An event as it was stored, to be stored once more."""

    type: str
    stored: dict[str, Any]

    def payload(self) -> dict[str, Any]:
        return self.stored


def _renamed(event: Event, ids: dict[str, uuid.UUID]) -> Event:
    if event.payload.get("messageId") in ids:
        event.payload = {**event.payload, "messageId": str(ids[event.payload["messageId"]])}
    return event


def _events(journal: InheritedJournal) -> list[Event]:
    return list(Event.objects.filter(journal.is_emitted).order_by("seq"))


def _unread(session: ChatSession, journal: InheritedJournal, events: list[Event], point: ForkPoint) -> list[Event]:
    """The starts of the user's messages before the point that no inherited step has read."""
    starts = [
        event
        for event in events
        if event.type == TextMessageStart.type
        and event.payload["role"] == "user"
        and event.payload["messageId"] != point.message_id
        and (event.seq < point.seq or point.keeps_unread)
    ]
    ids = [client_id for event in starts if (client_id := parse_uuid(event.payload["messageId"]))]
    items = {str(item.client_id): item for item in session.inbox.filter(client_id__in=ids)}
    return [event for event in starts if _is_unread(items.get(event.payload["messageId"]), event, journal, point)]


def _is_unread(item: InboxItem | None, event: Event, journal: InheritedJournal, point: ForkPoint) -> bool:
    if item is None or is_said_to_staff(item):
        return False
    if item.step is None:
        return True
    if event.seq >= point.seq:
        return False  # it was read, and what came of it is in the older branch
    if item.request_id:
        return False  # it answers a question before the point: one that was then asked again in other words
    step = journal.steps.get(item.step)
    return step is None or step.run_id != item.run_id or item.step > point.steps


def _read_from_before(
    session: ChatSession, journal: InheritedJournal, events: list[Event], point: ForkPoint
) -> list[str]:
    """The messages sent during an earlier run that this run has read, but in no step that is inherited."""
    if point.keeps_events:
        return []
    emitted_here = {event.payload.get("messageId") for event in events}
    read = session.inbox.filter(run=point.run, step__gt=point.steps, request_id="").order_by("id")
    ids = [str(item.client_id) for item in read if str(item.client_id) not in emitted_here]
    starts = Event.objects.filter(session=session, type=TextMessageStart.type, payload__messageId__in=ids)
    before = set(starts.filter(seq__lt=point.seq).values_list("payload__messageId", flat=True))
    return [each for each in ids if each in before]


def _is_kept(
    event: Event, journal: InheritedJournal, events: list[Event], point: ForkPoint, ids: dict[str, uuid.UUID]
) -> bool:
    """Whether an event after the point belongs to what came before it."""
    if event.step_number is None:
        return point.keeps_unread and event.payload.get("messageId") in ids
    if not point.keeps_events or event.step_number > point.steps:
        return False
    fatal = set(fatal_steps(journal.steps))
    if _is_undone(event, point.steps, fatal, journal, events):
        return False
    return event.step_number == 0 or event.step_number in journal.steps


def _restore(session: ChatSession, pairs: Iterable[tuple[str, uuid.UUID]]) -> None:
    """Put messages into the inbox once more, under new ids."""
    for message_id, client_id in pairs:
        item = session.inbox.get(client_id=message_id)
        InboxItem.objects.create(session=session, client_id=client_id, value=item.value)


# --- messages -------------------------------------------------------------------------------------------------------


def _start_of(session: ChatSession, message_id: str) -> Event:
    """Where a message begins; in the branch that pages show, if it is in several."""
    starts = Event.objects.filter(session=session, type=TextMessageStart.type, payload__messageId=message_id)
    rows = starts.select_related("run").order_by("-seq")
    found: list[Event] = [event for event in rows if event.type == TextMessageStart.type]  # it can be read
    if len(found) > 1:
        tree = Tree.of(session.pk)
        shown = set(starts.filter(tree.condition(tree.head_of(session))).values_list("pk", flat=True))
        found.sort(key=lambda event: event.pk not in shown)
    if not found:
        raise _no_message()
    return found[0]


def _earliest(seq: int | None, other: int) -> int:
    return other if seq is None else min(seq, other)


def _no_message() -> Rejected:
    return Rejected("no_such_message", gettext("This message no longer exists."))


def _not_possible() -> Rejected:
    return Rejected("not_possible", gettext("This message can no longer be edited. Send a new one instead."))
