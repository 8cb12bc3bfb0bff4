"""The end of a run: what it has begun is closed, secrets are erased, the inbox is cleared.

Within a transaction of the caller's that has locked the chat session.
"""

from django.db.models import QuerySet

from agentchat.events import (
    ChatEvent,
    NestedChatsFinished,
    NestedChatsStarted,
    RunError,
    RunFinished,
    TextMessageEnd,
    TextMessageStart,
    Unreadable,
)
from agentchat.infra import moments
from agentchat.infra.encryption import ERASED, TOKEN_PREFIX
from agentchat.infra.sanitize import CODE_CHARS, short
from agentchat.models import ChatSession, Event, InboxItem, Run, Step
from agentchat.realtime.frames import Frame
from agentchat.runs import delegated_questions, handovers
from agentchat.runs.branching.inheritance import InheritedJournal
from agentchat.runs.branching.tree import Tree
from agentchat.runs.session_lock import append, start_run

# The `request_id` of inbox items that record the request for a branch: no run takes them for messages.
BRANCH = "branch"


def end_run(
    session: ChatSession,
    run: Run,
    status: Run.Status,
    event: RunFinished | RunError,
    half_written: dict[str, list[ChatEvent]] | None = None,
) -> tuple[list[Frame], Run | None]:
    """End a run of a locked chat session. `half_written` are the ends of its messages, by id.

    Return the events of its end, and the run that follows if the user has sent more meanwhile.
    """
    run.status = status
    run.owner_process, run.lease_until, run.waits_until, run.finished_at = "", None, None, moments.now()
    if isinstance(event, RunError):
        run.error_code, run.error_id = short(event.code, CODE_CHARS), event.id
    # Not the whole row: another process that claims the run meanwhile has raised the epoch.
    run.save(
        update_fields=[
            "status",
            "owner_process",
            "lease_until",
            "waits_until",
            "finished_at",
            "running_s",
            "state",
            "error_code",
            "error_id",
        ]
    )
    ended = handovers.closing_events(session, run)
    frames = append(session, run, [*ended, *closing_events(run, half_written or {}), event])
    erase_secrets(session, run)
    delegated_questions.cancel_all_of(run)
    has_messages = clear_inbox(session, run)
    if session.deleted_at is None and session.handover_id is not None:
        return frames + handovers.begin_after(session), None
    if session.deleted_at is not None or not has_messages:
        return frames, None
    following, started = start_run(session)
    return frames + started, following


def closing_events(run: Run, half_written: dict[str, list[ChatEvent]]) -> list[ChatEvent]:
    """The missing ends of what the run has begun. A message that was being written ends with its text so far."""
    emitted = _emitted_in(run)
    ends: list[ChatEvent] = []
    for message_id in _unfinished_messages(emitted):
        nothing = TextMessageEnd(message_id=message_id, content="", stopped=True)
        ends += half_written.get(message_id) or [nothing]
    return ends + _unfinished_chats(emitted)


def _emitted_in(run: Run) -> "QuerySet[Event]":
    """The events of this run, and of those that it continues."""
    if run.from_seq is None:
        return Event.objects.filter(run=run)
    return Event.objects.filter(InheritedJournal(Tree.of(run.session_id), run.pk).is_emitted)


def _unfinished_messages(emitted: "QuerySet[Event]") -> list[str]:
    messages = emitted.order_by("seq").values_list("type", "payload__messageId")
    unfinished: dict[str, None] = {}
    for type_, message_id in messages.filter(type__in=[TextMessageStart.type, TextMessageEnd.type]):
        if type_ == TextMessageStart.type and isinstance(message_id, str):
            unfinished[message_id] = None
        elif isinstance(message_id, str):
            unfinished.pop(message_id, None)
    return list(unfinished)


def _unfinished_chats(emitted: "QuerySet[Event]") -> list[ChatEvent]:
    """The ends of the nested chats that have none, the innermost first."""
    events = emitted.filter(type__in=[NestedChatsStarted.type, NestedChatsFinished.type])
    ends: list[ChatEvent] = []
    for event in events.order_by("seq"):
        if event.type == Unreadable.type:
            continue
        end = NestedChatsFinished(step_name=event.payload["stepName"], name=event.payload["name"])
        if event.type == NestedChatsStarted.type:
            ends.insert(0, end)
        elif end in ends:
            ends.remove(end)
    return ends


def erase_secrets(session: ChatSession, run: Run) -> None:
    """Erase the passwords that the user entered; a form that has a field of that name is left alone."""
    InboxItem.objects.filter(session=session, value__sealed__startswith=TOKEN_PREFIX).update(value=ERASED)
    Step.objects.filter(run=run, kind="input", result__sealed__startswith=TOKEN_PREFIX).update(result=ERASED)


def clear_inbox(session: ChatSession, run: Run) -> bool:
    """Assign to the run what was meant for it. Return whether anything is left for a run that follows."""
    pending = InboxItem.objects.filter(session=session, run=None)
    pending.exclude(request_id="").update(run=run)  # no other run may take the answers to its questions
    if not _has_asked(run):
        # It never asked: the messages in the inbox were meant for it, and would start it again and again.
        pending.update(run=run)
    return pending.exists()


def _has_asked(run: Run) -> bool:
    """Whether it has asked the user for anything, here or in the steps that it has inherited."""
    if handovers.has_no_agent(run):
        return True  # nothing was meant for it but what was said to staff
    if InboxItem.objects.filter(run=run).exclude(request_id=BRANCH).exists():
        return True
    inherited = InheritedJournal(Tree.of(run.session_id), run.pk).steps.values() if run.from_step else ()
    return any(step.kind == "input" for step in inherited)
