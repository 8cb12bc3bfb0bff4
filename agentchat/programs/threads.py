"""Which chat session a program's conversation is: by the program's name for it, or by all that was said in it.

Synchronous, in a thread for database work. Whoever calls twice at the same time with the same name finds the same row.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from agentchat.infra import moments
from agentchat.infra.database import USER_TIMEOUT_SECONDS, lock_timeout
from agentchat.models import ChatSession, ClientThread
from agentchat.programs.errors import ProgramError
from agentchat.realtime.chat_list import group_of_visitor
from agentchat.visitors import Visitor

REPEATABLE = timedelta(hours=24)  # how long a request that is repeated counts as the same


def digest_of(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode(errors="surrogatepass")).hexdigest()


def thread_of_request(visitor: Visitor, agent: str, request: str) -> ClientThread | None:
    """The thread in which this request was made before, and not long ago."""
    since = moments.now() - REPEATABLE
    found = ClientThread.objects.filter(
        whose=group_of_visitor(visitor), agent=agent, request=request, requested_at__gt=since
    )
    return found.order_by("-requested_at").first()


def thread_named(visitor: Visitor, agent: str, name: str) -> ClientThread:
    """The thread with this name, which may be the id of one of the visitor's chats. It is new if there was none.

    Raise ProgramError for a chat with another agent.
    """
    whose = group_of_visitor(visitor)
    if (own := _own_chat(visitor, name)) is not None:
        if own.agent != agent:
            raise ProgramError(404, "not_found", f"Chat {name} is with {own.agent!r}, not with {agent!r:.200}.")
        return _get_or_create(session_id=own.pk, defaults={"whose": whose, "agent": agent})
    key = digest_of(whose, agent, name)
    return _get_or_create(key=key, defaults={"whose": whose, "agent": agent, "session_id": uuid.uuid4()})


def find_thread(visitor: Visitor, agent: str, name: str) -> ClientThread | None:
    """The thread with this name, if there is one."""
    whose = group_of_visitor(visitor)
    if (own := _own_chat(visitor, name)) is not None:
        return ClientThread.objects.filter(session=own.pk, agent=agent).first()
    return ClientThread.objects.filter(key=digest_of(whose, agent, name)).first()


def thread_with_history(visitor: Visitor, agent: str, history: str) -> ClientThread | None:
    """The thread in which just this was said, and nothing since. It is the caller's: nobody else finds it any more."""
    found = ClientThread.objects.filter(whose=group_of_visitor(visitor), agent=agent, history=history)
    for thread in found.filter(session__deleted_at=None).order_by("-pk")[:5]:
        with lock_timeout(USER_TIMEOUT_SECONDS):
            if ClientThread.objects.filter(pk=thread.pk, history=history).update(history=""):
                return thread
    return None


def new_thread(visitor: Visitor, agent: str) -> ClientThread:
    """A thread without a name; its chat session is still to be started."""
    with lock_timeout(USER_TIMEOUT_SECONDS):
        return ClientThread.objects.create(whose=group_of_visitor(visitor), agent=agent, session_id=uuid.uuid4())


def note_request(
    thread: ClientThread,
    request: str,
    *,
    after: int,
    client_id: uuid.UUID | None = None,
    client_tools: Sequence[Mapping[str, Any]] = (),
) -> None:
    """A request is about to be made in this thread: its message gets the id `thread.client_id`."""
    thread.client_tools = list(client_tools) or None
    thread.request, thread.client_id, thread.after = request, client_id or uuid.uuid4(), after
    thread.requested_at, thread.history = moments.now(), ""
    with lock_timeout(USER_TIMEOUT_SECONDS):
        thread.save(update_fields=["request", "client_id", "after", "requested_at", "history", "client_tools"])


def forget(thread: ClientThread) -> None:
    """There is no chat of this thread: its first message was refused."""
    with lock_timeout(USER_TIMEOUT_SECONDS):
        ClientThread.objects.filter(pk=thread.pk).exclude(session__in=ChatSession.objects.all()).delete()


def note_history(thread: ClientThread, said: Sequence[tuple[str, str]]) -> None:
    """The turn is over: whoever repeats all this means the same conversation. Unless another turn has begun."""
    with lock_timeout(USER_TIMEOUT_SECONDS):
        ClientThread.objects.filter(pk=thread.pk, client_id=thread.client_id).update(history=history_of(said))


def history_of(said: Sequence[tuple[str, str]]) -> str:
    """A digest of what was said: roles and texts. White space at the ends of a text does not count."""
    return digest_of([[role, text.strip()] for role, text in said])


def _own_chat(visitor: Visitor, name: str) -> ChatSession | None:
    try:
        pk = uuid.UUID(name)
    except ValueError:
        return None
    return ChatSession.objects.of(visitor).filter(pk=pk).first()


def _get_or_create(*, defaults: dict[str, Any], **lookup: Any) -> ClientThread:
    with lock_timeout(USER_TIMEOUT_SECONDS):
        return ClientThread.objects.get_or_create(**lookup, defaults=defaults)[0]
