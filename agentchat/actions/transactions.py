"""What every action on a chat session does: lock it, check, save, then publish and wake the run.

An action is one transaction on the visitor's locked chat session. A transaction that the database loses is retried for
a few seconds; the client's id tells whether an earlier attempt was committed. Runs in any thread of any process, and
never waits for an agent.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from django.utils.translation import gettext

from agentchat import conf
from agentchat.core import registry
from agentchat.core.log import get_logger
from agentchat.errors import DatabaseUnavailable, Rejected
from agentchat.infra import moments
from agentchat.infra.database import USER_TIMEOUT_SECONDS, lock_timeout, retry_transaction
from agentchat.infra.statements import count, select_one
from agentchat.models import ChatSession, InboxItem, Run
from agentchat.realtime.chat_list import group_of_visitor, notify_group, notify_owner_of
from agentchat.realtime.frames import Frame, frames_after
from agentchat.realtime.publish import publish_soon, send_direct_soon
from agentchat.runs import direct_claims
from agentchat.runs.engines import engine
from agentchat.runs.runner import runner
from agentchat.runs.session_lock import lock_session
from agentchat.visitors import Visitor

T = TypeVar("T")

ActionResult = tuple[list[Frame], Run | None]  # the frames to publish, and the run to wake
Lock = Callable[[UUID, Visitor], AbstractContextManager[ChatSession]]

logger = get_logger("agentchat.runs")


def apply_once(
    session_id: UUID,
    visitor: Visitor,
    client_id: UUID,
    action: Callable[[ChatSession], ActionResult],
    *,
    lock: Lock | None = None,
) -> None:
    """Apply the action to the visitor's chat session, then publish what it returns and wake its run.

    `lock`: how the session is found and locked, if it need not be theirs.

    The action stores an inbox item with `client_id`: one that is sent again counts once. Raise Rejected if it cannot be
    applied; nothing has changed then, unless the reason is "unavailable": the outcome is unknown.
    """

    locked = lock or lock_own_session
    with runner.room():
        frames, run = commit(lambda is_retry: _apply(session_id, visitor, client_id, action, locked))
        publish_and_wake(session_id, frames, run, group="" if lock else group_of_visitor(visitor))


def create_and_apply_once(
    session_id: UUID, agent: str, visitor: Visitor, client_id: UUID, action: Callable[[ChatSession], ActionResult]
) -> None:
    """The same for a chat session that is created if it does not exist: in one transaction, so if it is rejected, there
    is none.
    """

    def create_and_apply(is_retry: bool) -> ActionResult:
        with lock_timeout(USER_TIMEOUT_SECONDS):
            ChatSession.objects.get_or_create(pk=session_id, defaults={"agent": agent, **visitor.owner_fields})
            return _apply(session_id, visitor, client_id, action, lock_own_session)

    with runner.room():
        frames, run = commit(create_and_apply)
        publish_and_wake(session_id, frames, run, group=group_of_visitor(visitor))


def _apply(
    session_id: UUID, visitor: Visitor, client_id: UUID, action: Callable[[ChatSession], ActionResult], lock: Lock
) -> ActionResult:
    with lock(session_id, visitor) as session:
        if select_one(InboxItem, session_id=session.pk, client_id=client_id) is not None:
            return _already_applied(session)
        frames, run = action(session)
        if run is not None and run.status == Run.Status.QUEUED:
            direct_claims.claim(session, run)
        return frames, run


def commit(transaction: Callable[[bool], T]) -> T:
    """Return the transaction's result; retry it if the database loses it. Raise Rejected("unavailable")."""
    try:
        return retry_transaction(transaction, timeout=USER_TIMEOUT_SECONDS)
    except DatabaseUnavailable as error:
        logger.error("a user's action could not be saved: %s", error)
        message = gettext("This couldn't be saved right now. Check whether it went through, then try again.")
        raise Rejected("unavailable", message) from error


def publish_and_wake(session_id: UUID, frames: list[Frame], run: Run | None, *, group: str = "") -> None:
    """After the commit: publish the frames to subscribers, and wake the run that waits for them.

    `group` is that of the owner's list, where the caller knows whose chat session it was.
    """
    publish_soon(session_id, frames, runner.loop)
    if group:
        notify_group(group)
    else:
        notify_owner_of(session_id)
    if run is not None and not direct_claims.advance(run):
        engine().wake(run.pk)
        send_direct_soon(run.owner_process, "run.wake", run.pk, runner.loop)


def _already_applied(session: ChatSession) -> ActionResult:
    """What to publish of an action that was committed before: perhaps a moment ago, and not published yet."""
    run = live_run(session)
    last = frames_after(session.pk, session.next_seq - 2)
    is_ready = run is not None and (run.status == Run.Status.QUEUED or direct_claims.is_claimed(run))
    return last, run if is_ready else None


@contextmanager
def lock_own_session(session_id: UUID, visitor: Visitor) -> Iterator[ChatSession]:
    """The visitor's chat session, locked. Raise Rejected("not_found") if it is deleted, or another owner's."""
    not_found = Rejected("not_found", gettext("This chat no longer exists."))
    if (owner := visitor.owned_columns) is None:
        raise not_found
    with lock_session(session_id, not_found=not_found, deleted_at=None, **owner) as session:
        yield session


def check_rate(session: ChatSession) -> None:
    """Raise Rejected if the owner has sent as many messages as are allowed in a minute."""
    since = moments.now() - timedelta(minutes=1)
    # A message updates its chat session: of an owner's thousands, only those of the last minute are read.
    recent = count(
        InboxItem,
        ("created_at", ">", since),
        ("session__updated_at", ">", since),
        ("session__owner_id", "=", session.owner_id),
        ("session__guest_key", "=", session.guest_key),
    )
    if recent >= conf.app.messages_per_minute:
        raise Rejected(
            "too_many_messages", gettext("You're sending messages too quickly. Please wait a minute."), retry_after=60
        )


def check_agent(session: ChatSession, visitor: Visitor) -> None:
    """Raise Rejected if the session's agent function is gone, or the visitor may not use it."""
    agent = registry.find(session.agent)
    if agent is None:
        raise Rejected("agent_not_available", gettext("This agent no longer exists."))
    if not agent.is_open_to(visitor.user):
        raise Rejected("agent_not_available", gettext("This agent isn't available to you."))


def live_run(session: ChatSession) -> Run | None:
    """The session's run that is queued, running or waiting; there is one at most."""
    return select_one(Run, session_id=session.pk, status=Run.LIVE)
