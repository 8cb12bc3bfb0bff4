"""What happens in chats, for a project's own code: Django signals, sent after the commit.

They are sent in the process that has written it: what users do in that of their websocket, what runs do where they
advance (with Celery, in a worker). There they are sent one after the other in a thread of their own, in the order of
the commits, so that neither a page nor a run waits for a receiver. A receiver that raises is logged, and costs nobody
anything. Each is sent once at most: a process that dies right after its commit has sent nothing.

Receivers get `session` (a `ChatSession`) and, except for feedback, `run` (a `Run`), as they are when it is sent.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.dispatch import Signal

from agentchat.core.log import get_logger
from agentchat.events import InputAnswered, InputRequested, RunError, RunFinished, RunStarted
from agentchat.infra.database import alias, close_connections
from agentchat.infra.thread_pool import DaemonPool
from agentchat.models import ChatSession, Event, Run

logger = get_logger("agentchat.signals")

chat_started = Signal()
"""A chat has its first message."""

run_finished = Signal()
"""A run has ended: `run.status` says how."""

question_asked = Signal()
"""A run waits for an answer to `question`, a dict: the fields of INPUT_REQUESTED in docs/protocol.md."""

question_answered = Signal()
"""It has one, `answer`, a dict: the fields of INPUT_ANSWERED. A password is not among them."""

handed_over = Signal()
"""The agent is silent, and staff answer: `to` says who may, `summary` what about; `asked`: by the agent function."""

limit_reached = Signal()
"""A run has reached a `limit` ("steps", "tokens", "cost" or "seconds"), and asks whether it may continue."""

feedback_given = Signal()
"""The owner has rated the message `message_id`: `value` is "up", "down", or None if it was withdrawn, and `comment`."""

_LIMIT = "limit_"
_POOL = DaemonPool("agentchat-signals", lambda: 1, at_end=connections.close_all)


def send_after_commit(signal: Signal, session_id: UUID, run_id: int | None = None, **values: Any) -> None:
    """Send the signal when this thread's transaction is committed. Nothing happens if nobody listens."""
    if signal.has_listeners(ChatSession):
        work = partial(_POOL.submit, _send, signal, session_id, run_id, values)
        transaction.on_commit(work, using=alias())


def send_for(run: Run, events: Iterable[Event]) -> None:
    """Send what these events of a run mean, when the transaction that has just saved them is committed."""
    for event in events:
        send = partial(send_after_commit, session_id=run.session_id, run_id=run.pk)
        match event.type:
            case RunStarted.type if run.number == 1:
                send(chat_started)
            case RunFinished.type | RunError.type:
                send(run_finished)
            case InputRequested.type:
                send(question_asked, question=event.payload)
                if str(event.payload.get("code", "")).startswith(_LIMIT):
                    send(limit_reached, limit=event.payload["code"].removeprefix(_LIMIT))
            case InputAnswered.type:
                send(question_answered, answer=event.payload)


def _send(signal: Signal, session_id: UUID, run_id: int | None, values: dict[str, Any]) -> None:
    """In the thread of the signals."""
    try:
        session = ChatSession.objects.select_related("owner").filter(pk=session_id).first()
        if session is None:
            return  # deleted meanwhile
        if run_id is not None:
            values["run"] = Run.objects.get(pk=run_id)
        signal.send_robust(sender=ChatSession, session=session, **values)  # it logs what receivers raise
    except Exception:
        logger.exception("a signal of chat session %s was not sent", session_id)
    finally:
        close_connections()
