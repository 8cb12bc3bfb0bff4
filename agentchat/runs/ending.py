"""The end of a run: what it has begun is closed, secrets are erased, the inbox is looked through.

Within a transaction of the caller's that has locked the chat session.
"""

from django.db.models import QuerySet
from django.utils import timezone

from agentchat.events import (
    Event,
    NestedChatsFinished,
    NestedChatsStarted,
    RunError,
    RunFinished,
    TextMessageEnd,
    TextMessageStart,
)
from agentchat.models import ChatSession, InboxItem, Run, Step
from agentchat.models import Event as StoredEvent
from agentchat.runs.branches import Life, Tree
from agentchat.runs.frames import Frame
from agentchat.runs.sealing import ERASED, SEALED_START
from agentchat.runs.session import append, start_run
from agentchat.runs.storable import CODE_CHARS, short

# The `request_id` of inbox items that remember that a branch was asked for: no run takes them for words.
BRANCH = "branch"


def end_run(
    session: ChatSession,
    run: Run,
    status: Run.Status,
    fact: RunFinished | RunError,
    half_written: dict[str, str] | None = None,
) -> tuple[list[Frame], Run | None]:
    """End a run of a locked chat session. `half_written` is the text so far of its messages, by their ids.

    Return what is told of it, and the run that follows, if more was said.
    """
    run.status = status
    run.owner_process, run.lease_until, run.waits_until, run.finished_at = "", None, None, timezone.now()
    if isinstance(fact, RunError):
        run.error_code, run.error_id = short(fact.code, CODE_CHARS), fact.id
    # Not the whole row: whoever claims meanwhile has raised the epoch.
    run.save(
        update_fields=[
            "status",
            "owner_process",
            "lease_until",
            "waits_until",
            "finished_at",
            "running_s",
            "error_code",
            "error_id",
        ]
    )
    frames = append(session, run, [*closing_facts(run, half_written or {}), fact])
    erase_secrets(session, run)
    remains = clear_inbox(session, run)
    if session.deleted_at is not None or not remains:
        return frames, None
    following, started = start_run(session)
    return frames + started, following


def closing_facts(run: Run, half_written: dict[str, str]) -> list[Event]:
    """The ends of what has none. A message that begins must end: what was written so far of it is kept."""
    told = _told_in(run)
    ends: list[Event] = [
        TextMessageEnd(message_id=message_id, content=half_written.get(message_id, ""), stopped=True)
        for message_id in _unfinished_messages(told)
    ]
    return ends + _unfinished_chats(told)


def _told_in(run: Run) -> "QuerySet[StoredEvent]":
    """What was told in this run, and in those whose life it goes on with."""
    if run.from_seq is None:
        return StoredEvent.objects.filter(run=run)
    return StoredEvent.objects.filter(Life(Tree.of(run.session_id), run.pk).told)


def _unfinished_messages(told: "QuerySet[StoredEvent]") -> list[str]:
    messages = told.order_by("seq").values_list("type", "payload__messageId")
    open_ones: dict[str, None] = {}
    for type_, message_id in messages.filter(type__in=[TextMessageStart.type, TextMessageEnd.type]):
        if type_ == TextMessageStart.type:
            open_ones[message_id] = None
        else:
            open_ones.pop(message_id, None)
    return list(open_ones)


def _unfinished_chats(told: "QuerySet[StoredEvent]") -> list[Event]:
    """The ends of the nested chats that have none, the innermost first."""
    events = told.filter(type__in=[NestedChatsStarted.type, NestedChatsFinished.type])
    ends: list[Event] = []
    for type_, payload in events.order_by("seq").values_list("type", "payload"):
        end = NestedChatsFinished(step_name=payload["stepName"], name=payload["name"])
        if type_ == NestedChatsStarted.type:
            ends.insert(0, end)
        elif end in ends:
            ends.remove(end)
    return ends


def erase_secrets(session: ChatSession, run: Run) -> None:
    """Erase the passwords that the person typed. A form with a field of that name, or that very word, is none."""
    InboxItem.objects.filter(session=session, value__sealed__startswith=SEALED_START).update(value=ERASED)
    Step.objects.filter(run=run, kind="input", result__sealed__startswith=SEALED_START).update(result=ERASED)


def clear_inbox(session: ChatSession, run: Run) -> bool:
    """Give the run what was meant for it. Return whether anything is left, for a run that follows."""
    untaken = InboxItem.objects.filter(session=session, run=None)
    untaken.exclude(request_id="").update(run=run)  # answers to its questions are nobody else's
    if not _has_asked(run):
        # It asked for nothing: what lies in the inbox was meant for it, and would only start it again, for ever.
        untaken.update(run=run)
    return untaken.exists()


def _has_asked(run: Run) -> bool:
    """Whether it asked the person for anything, or did so in the steps that it has inherited."""
    if InboxItem.objects.filter(run=run).exclude(request_id=BRANCH).exists():
        return True
    inherited = Life(Tree.of(run.session_id), run.pk).steps.values() if run.from_step else ()
    return any(step.kind == "input" for step in inherited)
