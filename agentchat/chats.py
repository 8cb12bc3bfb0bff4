"""Chats, from a project's own code: start one, post into one, send a signal to the run in one.

    session = chats.start("shop", request.user, "Where is my order?")
    chats.post(session, "It has left our warehouse.", by="Warehouse")
    chats.signal(session, "paid", {"order": 17})

Each writes a row in the caller's transaction, and locks no chat: with a rollback nothing has happened. It is delivered
after the commit, once, also if the process dies in between. From any thread but an event loop's;
`docs/from-your-code.md` has the rest.
"""

import json
import uuid
from typing import Any

from django.utils.functional import Promise

from agentchat.actions import outbox
from agentchat.actions.inbox import checked_text
from agentchat.core import registry
from agentchat.errors import ConfigError
from agentchat.infra.sanitize import clean, clean_json
from agentchat.models import ChatSession, OutboxItem
from agentchat.runs.waits import check_signal_name
from agentchat.visitors import name_of

MAX_VALUE_CHARS = 64 * 1024  # of a signal's value, as JSON
MAX_NAME_CHARS = 150


def start(agent: str, owner: Any, message: str, *, id: uuid.UUID | None = None) -> ChatSession:
    """Start a chat of this user with an agent function, as if the user had sent the message. Return the chat session.

    `id`: a UUID of your own, which becomes the chat's: a chat that exists is not started again. Raise ConfigError if
    there is no such agent function, or it is not open to the user, and Rejected for an empty or too long message.
    """
    found = registry.find(agent)
    if found is None or owner is None or not found.is_open_to(owner):
        raise ConfigError(f"chats.start({agent!r}): there is no such agent function, or it is not open to {owner!r}")
    text = checked_text(message)
    session, created = ChatSession.objects.get_or_create(
        pk=id or uuid.uuid4(), defaults={"agent": agent, "owner": owner}
    )
    if created:
        _put(session.pk, OutboxItem.Kind.MESSAGE, "", text, None)
    return session


def post(session: ChatSession | uuid.UUID, text: str, *, by: Any = None, id: uuid.UUID | None = None) -> None:
    """Post a message for the agent function into a chat, as if the owner had sent it, without a limit of rate.

    It answers the question if the run waits for text, else it is kept for the next `input()`, or starts a run. `by`: a
    user, or a name, under which it is shown; by default the owner's. `id`: the same UUID counts once in its chat. Raise
    Rejected for a text that is empty or too long.
    """
    name = "" if by is None else str(by) if isinstance(by, str | Promise) else name_of(by)
    _put(_key(session), OutboxItem.Kind.MESSAGE, clean(name)[:MAX_NAME_CHARS], checked_text(text), id)


def signal(session: ChatSession | uuid.UUID, name: str, value: Any = None, *, id: uuid.UUID | None = None) -> None:
    """Send a signal with a JSON value, for `iostream.wait_for(name)` in this chat. It is kept until it is asked for.

    `id`: the same UUID counts once. Raise ConfigError for a name or a value that cannot be stored.
    """
    check_signal_name(name)
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the value of signal {name!r} is no JSON: {error}") from error
    if size > MAX_VALUE_CHARS:
        raise ConfigError(f"the value of signal {name!r} has {size} characters as JSON; the limit is {MAX_VALUE_CHARS}")
    _put(_key(session), OutboxItem.Kind.SIGNAL, name, clean_json(value), id)


def _put(session_id: uuid.UUID, kind: OutboxItem.Kind, name: str, value: Any, id: uuid.UUID | None) -> None:
    outbox.put(OutboxItem(key=id or uuid.uuid4(), session_id=session_id, kind=kind, name=name, value=value))


def _key(session: ChatSession | uuid.UUID) -> uuid.UUID:
    return session.pk if isinstance(session, ChatSession) else session
