"""Where a run begins again: the point that "try again" and "edit" mean, and the run that parts from another one there.

A point is an event: what came before it is shared, with the steps that led to it, and what came after it stays in the
older branch. Two things do not end there so neatly, and are said again in the new run:

- what an inherited step told after the point, where a person wrote while an agent did;
- what a person said before the point and nobody had heard by then: the new run has it in its inbox.

All of it happens within a transaction on the locked chat session, whose last run has ended.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

from agentchat import registry
from agentchat.errors import Diverged, Rejected
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
from agentchat.models import ChatSession, Event, InboxItem, Run, Step
from agentchat.runs.branches import Life, Tree, failed_in_the_end
from agentchat.runs.caps import STEP_NAME
from agentchat.runs.frames import Frame
from agentchat.runs.journal import AFTER, ASKED_AGAIN, EXPIRED
from agentchat.runs.session import Origin, append, start_run

MAX_DEPTH = 200  # of points within each other: a branch is a condition with a part for each

_ENDS = (RunFinished.type, RunError.type)


@dataclass(frozen=True, kw_only=True)
class Point:
    """Where a new run parts from `run`: before the event `seq`, with its steps up to `steps`.

    `keeps`: what those steps told after the point is said again; else the new run tells it by itself. `words` is the
    message that an edit replaces, and `question` the request that it answered.
    """

    run: Run
    seq: int
    steps: int
    keeps: bool = True
    keeps_unheard: bool = False
    words: str = ""
    question: str = ""


# --- where it lies --------------------------------------------------------------------------------------------------


def of_an_answer(session: ChatSession, message_id: str) -> Point:
    """The point before the model was asked for this message; without a model, the run's start. Raise Rejected."""
    start = _start_of(session, message_id)
    run = start.run
    if start.payload["role"] == "user" or run is None:
        raise _no_message()
    if _begins_anew(session, run):
        return _from_its_start(session, run)
    tree = Tree.of(session.pk)
    life = Life(tree, run.pk)
    last = start.step_number or 0
    models = [number for number, step in life.steps.items() if step.kind == "llm" and number <= last]
    if last and last not in life.steps and start.ordinal < AFTER:
        models.append(last)  # the answer was cut off, and is not recorded
    if not models:
        return _from_its_start(session, run)
    number = max(models)
    if number in life.steps:
        run = session.runs.get(pk=life.steps[number].run_id)
    # A model that is asked in silence has told nothing: then it is what came next.
    seq = min(event.seq for event in _told(Life(tree, run.pk)) if event.step_number and event.step_number >= number)
    return Point(run=run, seq=seq, steps=number - 1)


def of_the_break(session: ChatSession) -> Point:
    """The point at which the last run failed or was stopped. Raise Rejected if it did not."""
    run = session.head
    if run is None or run.status not in (Run.Status.FAILED, Run.Status.STOPPED, Run.Status.INTERRUPTED):
        raise Rejected("nothing_to_retry", gettext("There is nothing here to try again."))
    if _begins_anew(session, run):
        return _from_its_start(session, run)
    life = Life(Tree.of(session.pk), run.pk)
    steps = max((*life.steps, *life.again), default=0)
    while steps in life.steps and _is_final_word(life.steps[steps]):
        steps -= 1
    if not steps:
        return _from_its_start(session, run)
    told = _told(life)
    failed = set(failed_in_the_end(life.steps))
    seq = next((event.seq for event in told if _is_undone(event, steps, failed, life, told)), None)
    return Point(run=run, seq=_least(seq, _end_of(run, told)), steps=steps, keeps_unheard=True)


def of_words(session: ChatSession, message_id: str) -> Point:
    """The point before a person said this. Raise Rejected."""
    start = _start_of(session, message_id)
    run = start.run
    if start.payload["role"] != "user" or run is None:
        raise _no_message()
    client_id = _uuid(message_id)
    item = session.inbox.filter(client_id=client_id).first() if client_id else None
    if item is None:
        raise _impossible()
    life = Life(Tree.of(session.pk), run.pk)
    is_durable = _is_durable(session)
    if item.step is not None and item.run_id == run.pk:
        if item.step > 1 and not is_durable:
            raise _impossible()
        question = _question_at(life, item.step, start.seq)
        asked = question if question and question == item.request_id else ""
        return Point(run=run, seq=start.seq, steps=item.step - 1, words=message_id, question=asked)
    if not life.steps and run.from_seq is None:
        return Point(run=run, seq=start.seq, steps=0, words=message_id)
    if not is_durable or run.status != Run.Status.FINISHED:
        raise _impossible()
    # It was said while the run did something else, and heard by the next one: this one goes through what it did before,
    # ends without a word, and the next one hears the new text.
    return Point(run=run, seq=start.seq, steps=max(life.steps, default=0), words=message_id)


def _from_its_start(session: ChatSession, run: Run) -> Point:
    """The point before a run did anything: with what the person had said by then, and without what came of it."""
    tree = Tree.of(session.pk)
    root = session.runs.get(pk=tree.life(run.pk)[0].node.pk)
    life = Life(tree, root.pk)
    told = _told(life)
    seq = next((event.seq for event in told if event.step_number is not None), None)
    first = life.steps.get(1)
    hears = first is not None and first.kind == "input" and first.result != EXPIRED and not _begins_anew(session, run)
    is_words = hears and session.inbox.filter(run=root, step=1, request_id="").exists()
    return Point(run=root, seq=_least(seq, _end_of(root, told)), steps=1 if is_words else 0, keeps=False)


def _begins_anew(session: ChatSession, run: Run) -> bool:
    """Whether its journal is of no use: the agent function cannot be called again, or has become another one."""
    return not _is_durable(session) or run.error_code == Diverged.code


def _is_durable(session: ChatSession) -> bool:
    agent = registry.find(session.agent)
    return agent is None or agent.durable


def _is_final_word(step: Step) -> bool:
    """An answer, or the lack of one, that ended the run: the person is asked again."""
    if step.kind != "input":
        return False
    if step.result == EXPIRED:
        return True
    return step.name.startswith(STEP_NAME) and step.result.get("decision") == "reject"


def _is_undone(event: Event, steps: int, failed: set[int], life: Life, told: list[Event]) -> bool:
    """Whether it was told by a step that is to be made again, or asks what is to be asked again."""
    step = event.step_number
    if step is None:
        return False
    if step > steps or (step in failed and event.ordinal < AFTER):
        return True
    if not ASKED_AGAIN <= event.ordinal < AFTER or step not in life.steps:
        return False
    request = event.payload.get("request")
    is_answered = any(each.type == InputAnswered.type and each.payload["request"] == request for each in told)
    return life.steps[step].status == Step.Status.STARTED and not is_answered


def _end_of(run: Run, told: list[Event]) -> int:
    """Where its end begins: what was unfinished is closed in the same breath."""
    own = [event for event in told if event.run_id == run.pk]
    index = next(i for i in range(len(own) - 1, -1, -1) if own[i].type in _ENDS)
    while index and _closes(own[index - 1]):
        index -= 1
    return own[index].seq


def _closes(event: Event) -> bool:
    return event.step_number is None and (
        event.type == NestedChatsFinished.type or (event.type == TextMessageEnd.type and "stopped" in event.payload)
    )


def _question_at(life: Life, step: int, before: int) -> str:
    """The request of the question that this step asked before the event with this number; empty if it did not."""
    asked = Event.objects.filter(
        life.told, type=InputRequested.type, step_number=step, ordinal=0, seq__lt=before
    ).last()
    return str(asked.payload["request"]) if asked else ""


# --- the new run ----------------------------------------------------------------------------------------------------


def part(session: ChatSession, point: Point) -> tuple[Run, list[Frame], list[Event]]:
    """A new run from this point. Return also the events that are to be said after an edit's words (see `say_again`).

    Raise Rejected if the run cannot be gone through again.
    """
    tree = Tree.of(session.pk)
    life = Life(tree, point.run.pk)
    if any(number <= point.steps for number in life.lost_passwords):
        words = gettext("A password was asked for before this, and it is not kept. Please begin again with a message.")
        raise Rejected("password_erased", words)
    told = _told(life)
    unheard = _unheard(session, life, told, point)
    seq = min([point.seq, *(event.seq for event in unheard)])
    ids = {event.payload["messageId"]: uuid.uuid4() for event in unheard if event.seq < point.seq}
    if point.keeps_unheard:
        ids |= {event.payload["messageId"]: uuid.uuid4() for event in unheard}
    before = [event for event in told if seq <= event.seq < point.seq and event.type != RunStarted.type]
    after = [event for event in told if event.seq >= point.seq and _is_kept(event, life, told, point, ids)]
    parent, from_seq, from_step = point.run, seq, point.steps
    made = {step.run_id for number, step in life.steps.items() if number <= from_step}
    while parent.parent and parent.from_seq and seq < parent.from_seq and parent.pk not in made:
        parent = parent.parent  # the point lies in what it has inherited
    way = parent.from_seq
    begins = all(event.type == RunStarted.type for event in told if event.run_id == parent.pk and event.seq < seq)
    if begins and parent.parent is not None and way is not None and parent.from_step == from_step:
        parent, from_seq = parent.parent, way  # not a point within a point, but another way from the same
    if sum(each.before is not None for each in tree.branch(parent.pk)) >= MAX_DEPTH:
        raise Rejected("too_many_branches", gettext("This chat has too many branches. Please begin a new one."))
    heard_elsewhere = _heard_from_before(session, life, told, point)
    run, frames = start_run(session, parent=parent, from_seq=from_seq, from_step=from_step)
    _put_back(session, [*ids.items(), *((message_id, uuid.uuid4()) for message_id in heard_elsewhere)])
    frames += say_again(session, run, before, ids)
    return run, frames, [_renamed(event, ids) for event in after]


def say_again(
    session: ChatSession, run: Run, events: Iterable[Event], ids: dict[str, uuid.UUID] | None = None
) -> list[Frame]:
    """Tell events of an older run again, as this run's. What the person has said has new ids."""
    again = [_renamed(event, ids or {}) for event in events]
    origins = [None if e.step_number is None else Origin(step=e.step_number, ordinal=e.ordinal) for e in again]
    return append(session, run, [_Again(type=event.type, said=event.payload) for event in again], origins)


@dataclass(frozen=True, kw_only=True)
class _Again:
    """An event as it was stored, to be told once more."""

    type: str
    said: dict[str, Any]

    def payload(self) -> dict[str, Any]:
        return self.said


def _renamed(event: Event, ids: dict[str, uuid.UUID]) -> Event:
    if event.payload.get("messageId") in ids:
        event.payload = {**event.payload, "messageId": str(ids[event.payload["messageId"]])}
    return event


def _told(life: Life) -> list[Event]:
    return list(Event.objects.filter(life.told).order_by("seq"))


def _unheard(session: ChatSession, life: Life, told: list[Event], point: Point) -> list[Event]:
    """The beginnings of what the person had said before the point, and no inherited step has heard."""
    starts = [
        event
        for event in told
        if event.type == TextMessageStart.type
        and event.payload["role"] == "user"
        and event.payload["messageId"] != point.words
        and (event.seq < point.seq or point.keeps_unheard)
    ]
    ids = [client_id for event in starts if (client_id := _uuid(event.payload["messageId"]))]
    items = {str(item.client_id): item for item in session.inbox.filter(client_id__in=ids)}
    return [event for event in starts if _is_unheard(items.get(event.payload["messageId"]), event, life, point)]


def _is_unheard(item: InboxItem | None, event: Event, life: Life, point: Point) -> bool:
    if item is None:
        return False
    if item.step is None:
        return True
    if event.seq >= point.seq:
        return False  # it was heard, and what came of it is in the older branch
    step = life.steps.get(item.step)
    return step is None or step.run_id != item.run_id or item.step > point.steps


def _heard_from_before(session: ChatSession, life: Life, told: list[Event], point: Point) -> list[str]:
    """What was said while an earlier run lived, was heard by this one, and is not by what is inherited of it."""
    if point.keeps:
        return []
    said_here = {event.payload.get("messageId") for event in told}
    heard = session.inbox.filter(run=point.run, step__gt=point.steps, request_id="").order_by("id")
    ids = [str(item.client_id) for item in heard if str(item.client_id) not in said_here]
    starts = Event.objects.filter(session=session, type=TextMessageStart.type, payload__messageId__in=ids)
    before = set(starts.filter(seq__lt=point.seq).values_list("payload__messageId", flat=True))
    return [each for each in ids if each in before]


def _is_kept(event: Event, life: Life, told: list[Event], point: Point, ids: dict[str, uuid.UUID]) -> bool:
    """Whether something that was told after the point belongs to what came before it."""
    if event.step_number is None:
        return point.keeps_unheard and event.payload.get("messageId") in ids
    if not point.keeps or event.step_number > point.steps:
        return False
    failed = set(failed_in_the_end(life.steps))
    if _is_undone(event, point.steps, failed, life, told):
        return False
    return event.step_number == 0 or event.step_number in life.steps


def _put_back(session: ChatSession, pairs: Iterable[tuple[str, uuid.UUID]]) -> None:
    """Into the inbox, once more, under new ids."""
    for message_id, client_id in pairs:
        item = session.inbox.get(client_id=message_id)
        InboxItem.objects.create(session=session, client_id=client_id, value=item.value)


# --- finding --------------------------------------------------------------------------------------------------------


def _start_of(session: ChatSession, message_id: str) -> Event:
    """Where a message begins; in the branch that people look at, if it was said in several."""
    starts = Event.objects.filter(session=session, type=TextMessageStart.type, payload__messageId=message_id)
    found: list[Event] = list(starts.select_related("run").order_by("-seq"))
    if len(found) > 1:
        tree = Tree.of(session.pk)
        seen = set(starts.filter(tree.condition(tree.head_of(session))).values_list("pk", flat=True))
        found.sort(key=lambda event: event.pk not in seen)
    if not found:
        raise _no_message()
    return found[0]


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _least(seq: int | None, other: int) -> int:
    return other if seq is None else min(seq, other)


def _no_message() -> Rejected:
    return Rejected("no_such_message", gettext("This message is not there any more."))


def _impossible() -> Rejected:
    return Rejected("not_possible", gettext("This message cannot be changed any more. You can send a new one."))
