"""The rows of handovers: opened, begun, joined and closed, and what was said meanwhile.

What is said in a handover are events of its chat; its row says since when, for whom, and who has come. Within the
caller's transaction, on the locked chat session, whose `handover` is the open one.
"""

from agentchat import signals
from agentchat.core.addressees import Addressee
from agentchat.core.file_references import references_in
from agentchat.core.handovers import HandoverMessage, HandoverResult
from agentchat.events import (
    ChatEvent,
    HandoverEnded,
    HandoverJoined,
    HandoverRequested,
    TextMessageEnd,
    TextMessageStart,
)
from agentchat.infra import moments
from agentchat.infra.sanitize import clean
from agentchat.infra.statements import update
from agentchat.models import ChatSession, Event, Handover, InboxItem, Run
from agentchat.realtime.frames import Frame
from agentchat.runs.delegated_questions import notify_inboxes
from agentchat.runs.session_lock import append, start_run

REQUEST_PREFIX = "handover-"
"""Of the `request` of handovers: no question has such a one, so no `input()` takes what is said to staff."""

WAITS_FOR = "handover"  # the key of `Run.waits_for` where a run waits until a chat is given back


def is_said_to_staff(item: InboxItem) -> bool:
    return item.request_id.startswith(REQUEST_PREFIX)


def open_handover(session: ChatSession) -> Handover | None:
    """The open one of this chat session. No query if there is none."""
    return Handover.objects.filter(pk=session.handover_id).first() if session.handover_id is not None else None


def open_(session: ChatSession, to: Addressee, *, is_asked: bool, summary: str = "") -> Handover:
    """Open one. It has not begun: the agent may be at work.

    Whoever is about to take the chat over has come to the one that its agent function asks for.
    """
    handover = open_handover(session) or Handover(session=session, request=f"{REQUEST_PREFIX}{session.next_seq}")
    handover.is_asked, handover.to_kind, handover.to_value = is_asked, to.kind, to.value
    handover.summary, handover.opened_at = clean(summary), moments.now()
    handover.save()
    session.handover = handover
    notify_inboxes()
    return handover


def begin(session: ChatSession, run: Run, step: int, handover: Handover) -> list[Frame]:
    """From here on the agent is silent: this step of the run waits until the chat is given back."""
    handover.run, handover.step, handover.from_seq = run, step, session.next_seq
    handover.save(update_fields=["run", "step", "from_seq"])
    signals.send_after_commit(
        signals.handed_over,
        session.pk,
        run.pk,
        to=str(Addressee(kind=handover.to_kind, value=handover.to_value)),  # type: ignore[arg-type]
        summary=handover.summary,
        asked=handover.is_asked,
    )
    joined = [HandoverJoined(request=handover.request, name=name) for name in handover.names]
    return append(
        session, run, [HandoverRequested(request=handover.request, taken=None if handover.is_asked else True), *joined]
    )


def begin_without_agent(session: ChatSession, handover: Handover) -> list[Frame]:
    """Begin in a run of its own, where none is live: it waits, and the agent function is not called in it."""
    run, frames = start_run(session, is_counted=False)
    run.status, run.waits_for = Run.Status.WAITING, {"step": 1, "until": None, WAITS_FOR: handover.request}
    run.started_at = moments.now()
    update(run, "status", "waits_for", "started_at")
    return frames + begin(session, run, 1, handover)


def has_no_agent(run: Run) -> bool:
    """Whether the agent function is not called in this run: it is one of `begin_without_agent`."""
    return run.epoch == 0 and run.waits_for is not None and WAITS_FOR in run.waits_for


def waiting_status(run: Run, *, may_be_taken: bool = True) -> Run.Status:
    """The status of a run that waits from now on: QUEUED if somebody is about to take its chat over.

    They came after its last step, so it has not seen them: it is called again, to the boundary before this wait. There
    is none in the middle of a step (`may_be_taken`).
    """
    is_wanted = run.session.handover_id is not None and WAITS_FOR not in (run.waits_for or {})
    return Run.Status.QUEUED if is_wanted and may_be_taken else Run.Status.WAITING


def join(session: ChatSession, handover: Handover, user_id: object, name: str) -> list[Frame]:
    """Somebody has come; once each. From then on the handover does not expire."""
    if any(str(each["id"]) == str(user_id) for each in handover.staff):
        return []
    handover.staff = [*handover.staff, {"id": str(user_id), "name": clean(name)}]
    handover.taken_at = handover.taken_at or moments.now()
    handover.save(update_fields=["staff", "taken_at"])
    notify_inboxes()
    run = handover.run
    if run is None:
        return []
    if run.waits_for is not None and run.waits_until is not None:
        run.waits_until, run.waits_for = None, {**run.waits_for, "until": None}
        update(run, "waits_until", "waits_for")
    return append(session, run, [HandoverJoined(request=handover.request, name=name)])


def close(session: ChatSession, handover: Handover, outcome: Handover.Outcome) -> None:
    handover.closed_at, handover.outcome, handover.until_seq = moments.now(), outcome, session.next_seq
    handover.save(update_fields=["closed_at", "outcome", "until_seq"])
    session.handover = None
    notify_inboxes()


def closing_events(session: ChatSession, run: Run) -> list[ChatEvent]:
    """The end of the handover that this run waits in, since the run ends."""
    handover = open_handover(session)
    if handover is None or handover.run_id != run.pk:
        return []
    close(session, handover, Handover.Outcome.CANCELLED)
    return [HandoverEnded(request=handover.request)]


def begin_after(session: ChatSession) -> list[Frame]:
    """A run has ended in which somebody was about to take the chat over: they have it now."""
    handover = open_handover(session)
    return begin_without_agent(session, handover) if handover is not None and not handover.has_begun else []


def result_of(handover: Handover) -> HandoverResult:
    """What was said from its beginning to its end, or until now."""
    said = Event.objects.filter(session=handover.session_id, run=handover.run_id, seq__gte=handover.from_seq)
    if handover.until_seq is not None:
        said = said.filter(seq__lt=handover.until_seq)
    starts: dict[str, dict[str, str]] = {}
    messages: list[HandoverMessage] = []
    for event in said.filter(type__in=[TextMessageStart.type, TextMessageEnd.type]).order_by("seq"):
        if event.type == TextMessageStart.type:
            starts[event.payload["messageId"]] = event.payload
        elif event.type == TextMessageEnd.type and (start := starts.get(event.payload["messageId"])) is not None:
            messages.append(
                HandoverMessage(
                    role="staff" if start["role"] == "staff" else "owner",
                    name=start["name"],
                    content=event.payload["content"],
                    files=tuple(references_in(event.payload.get("files"))),
                )
            )
    return HandoverResult(taken=handover.is_taken, messages=tuple(messages))


def take_items(handover: Handover, run: Run, step: int) -> None:
    """This step has taken what the owner said to staff."""
    items = InboxItem.objects.filter(session=handover.session_id, request_id=handover.request, run=None)
    items.update(run=run, step=step)
