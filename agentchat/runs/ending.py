"""What is left to do when a run ends: what it has begun is closed, secrets are erased, the inbox is looked through.

Part of the transaction that ends the run; `agentchat.runs.journal` makes that.
"""

from django.db.models import QuerySet

from agentchat.events import Event, NestedChatsFinished, NestedChatsStarted, TextMessageEnd, TextMessageStart
from agentchat.models import ChatSession, InboxItem, Run, Step
from agentchat.models import Event as StoredEvent
from agentchat.runs.branches import Life, Tree
from agentchat.runs.sealing import ERASED, SEALED_START

# The `request_id` of inbox items that remember that a branch was asked for: no run takes them for words.
BRANCH = "branch"


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
