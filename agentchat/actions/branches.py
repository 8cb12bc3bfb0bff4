"""Branches of a chat: retry an answer, edit a message, select another version.

Each makes a run that forks from an older one, or selects one. A run that only waits for the user is parked: it ends,
and is resumed when its branch is selected again.
"""

from typing import Any
from uuid import UUID

from django.utils.translation import gettext

from agentchat.actions.allowances import check_paused, use_message
from agentchat.actions.guest_limits import size_of, use_as_guest
from agentchat.actions.inbox import checked_text, deliver, message_events
from agentchat.actions.transactions import ActionResult, apply_once, check_agent, check_rate, live_run
from agentchat.core.file_references import FileReference, references_in, stored_message
from agentchat.errors import Rejected
from agentchat.events import BranchSelected, RunFinished, TextMessageEnd
from agentchat.models import ChatSession, Event, InboxItem, Run
from agentchat.realtime.frames import Frame
from agentchat.runs.branching import fork
from agentchat.runs.branching.tree import Tree
from agentchat.runs.finalize import BRANCH, end_run
from agentchat.runs.session_lock import append, select_head
from agentchat.visitors import Visitor

PARKED = "parked"  # the error code of a run that waited when another branch was selected


def retry(session_id: UUID, visitor: Visitor, *, client_id: UUID, message_id: str | None = None) -> None:
    """Regenerate an agent's message; without one, retry from where the last run failed or was stopped.

    Raise Rejected as `apply_once` does, or if there is nothing to retry, or a run is running.
    """

    def apply(session: ChatSession) -> ActionResult:
        check_rate(session)
        use_as_guest(visitor, messages=1)
        check_agent(session, visitor)
        check_paused(session)
        use_message(session, starts_run=True)
        frames = _park(session)
        point = (
            fork.fork_point_for_failure(session)
            if message_id is None
            else fork.fork_point_for_retry(session, message_id)
        )
        run, forked, after = fork.fork(session, point)
        frames += forked + fork.replay_events(session, run, after)
        _record_request(session, run, client_id, {"retry": message_id})
        return frames, run

    apply_once(session_id, visitor, client_id, apply)


def edit(session_id: UUID, visitor: Visitor, *, client_id: UUID, message_id: str, text: str) -> None:
    """Replace a user's message, and everything that followed it, in a new branch. `client_id` is the new message's.
    Its files stay.

    Raise Rejected as `send` and `retry` do.
    """
    text = checked_text(text, may_be_empty=True)

    def apply(session: ChatSession) -> ActionResult:
        check_rate(session)
        use_as_guest(visitor, messages=1, size=size_of(text))
        check_agent(session, visitor)
        check_paused(session)
        use_message(session, starts_run=True)
        frames = _park(session)
        files = _files_of(session, message_id)
        if not files:
            checked_text(text)
        point = fork.fork_point_for_edit(session, message_id)
        run, forked, after = fork.fork(session, point)
        frames += forked
        question = {"request": point.question, "kind": "text"} if point.question else None
        shown = message_events(client_id, text, visitor, files)
        frames += deliver(session, run, client_id, stored_message(text, files), question, visitor, shown=shown)
        frames += fork.replay_events(session, run, after)
        return frames, run

    apply_once(session_id, visitor, client_id, apply)


def select_branch(session_id: UUID, visitor: Visitor, *, client_id: UUID, number: int) -> None:
    """Show the branch that continues with the run of this number. A parked run asks its question again.

    Raise Rejected as `apply_once` does, or if there is no such run, or a run is running.
    """

    def apply(session: ChatSession) -> ActionResult:
        tree = Tree.of(session.pk)
        node = tree.numbered(number)
        if node is None:
            raise Rejected("no_such_run", gettext("This version no longer exists."))
        end = tree.end_of(node)
        if end.pk == session.head_id:
            return [], None
        check_rate(session)
        use_as_guest(visitor, messages=1)
        frames = _park(session)
        run = session.runs.get(pk=end.pk)
        select_head(session, run)
        frames += append(session, run, [BranchSelected()])
        _record_request(session, run, client_id, {"branch": number})
        return frames, _resume(session, run, visitor, frames)

    apply_once(session_id, visitor, client_id, apply)


def _files_of(session: ChatSession, message_id: str) -> list[FileReference]:
    """The files of a message of the user's."""
    ends = Event.objects.filter(session=session, type=TextMessageEnd.type, payload__messageId=message_id)
    found = ends.values_list("payload", flat=True).first()
    return references_in(found.get("files")) if isinstance(found, dict) else []


def _park(session: ChatSession) -> list[Frame]:
    """End a run that only waits for the user, to be resumed when its branch is selected again."""
    if session.handover_id is not None:
        raise Rejected("handed_over", gettext("A colleague is answering here. Please wait until they've finished."))
    run = live_run(session)
    if run is None:
        return []
    if run.status != Run.Status.WAITING or run.owner_process:
        raise Rejected("busy", gettext("Please wait for this answer to finish, or stop it."))
    session.inbox.filter(run=None).update(run=run)  # sent to this branch: no run that follows in it may take them
    run.error_code = PARKED
    frames, _ = end_run(session, run, Run.Status.STOPPED, RunFinished(outcome={"type": "cancelled"}))
    return frames


def _resume(session: ChatSession, run: Run, visitor: Visitor, frames: list[Frame]) -> Run | None:
    """Let a parked run continue to its question. A branch whose run cannot continue is only shown."""
    if run.error_code != PARKED:
        return None
    try:
        check_agent(session, visitor)
        resumed, forked, after = fork.fork(session, fork.fork_point_for_failure(session))
    except Rejected:
        return None
    frames += forked + fork.replay_events(session, resumed, after)
    return resumed


def _record_request(session: ChatSession, run: Run, client_id: UUID, value: dict[str, Any]) -> None:
    """Record the request, so that it counts once, and towards the rate limit. No run takes it for a message."""
    InboxItem.objects.create(session=session, run=run, client_id=client_id, request_id=BRANCH, value=value)
