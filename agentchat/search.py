"""Search in the visitor's own chats: in what they are called, and in what was said in them.

All words of a query must stand in one message, or in one title; the last one may be the beginning of a word, and with
trigrams each may be any part of one. What is typed is data: no character in it means anything to a database.

What the index (`agentchat.search_index`) cannot find is read for instead, among the visitor's own messages alone: words
of less than three characters with trigrams, and signs and scripts without spaces with PostgreSQL's words.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, models
from django.db.models import Func, Max, Q, QuerySet, Value
from django.db.models.expressions import RawSQL

from agentchat import search_index
from agentchat.events import TextMessageEnd
from agentchat.items import anchor_of
from agentchat.models import ChatSession, Event
from agentchat.rendering import END_SIGNAL, without_end_signal
from agentchat.sidebar import agent_title
from agentchat.visitors import Visitor

MAX_QUERY = 200  # characters
MAX_WORDS = 12
MAX_FOUND = 50  # chats
BEFORE, AFTER = 60, 160  # characters of a message, around the first word that was found

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A piece of a text; `is_hit`: it is one of the words that were looked for."""

    text: str
    is_hit: bool


@dataclass(frozen=True, kw_only=True)
class Found:
    """A chat in which the words stand. `snippet` is from the newest message that has them, to which `url` leads."""

    url: str
    title: list[Part]
    agent: str
    at: datetime
    snippet: list[Part]


@dataclass(frozen=True, kw_only=True)
class Results:
    chats: list[Found]
    has_more: bool


def find(visitor: Visitor, query: str) -> Results:
    """The visitor's chats in which the words of the query stand, newest first."""
    words = _CONTROL.sub(" ", query[:MAX_QUERY]).split()[:MAX_WORDS]
    own = ChatSession.objects.of(visitor)
    if not words:
        return Results(chats=[], has_more=False)
    messages = _messages_with(words).filter(session__in=own.values("pk"))
    in_title = Q(*(_contains("title", word, own.db) for word in words))
    chats = list(own.filter(in_title | Q(pk__in=messages.values("session"))).order_by("-updated_at")[: MAX_FOUND + 1])
    newest = _newest(messages, [chat.pk for chat in chats[:MAX_FOUND]])
    found = [_found(chat, newest.get(chat.pk), words) for chat in chats[:MAX_FOUND]]
    return Results(chats=found, has_more=len(chats) > MAX_FOUND)


# --- asking the database --------------------------------------------------------------------------------------------


class _IsMessage(Func):
    """On PostgreSQL: what the index is limited to, said as it says it."""

    template = search_index.POSTGRESQL_IS_MESSAGE.format(type="%(expressions)s")
    output_field = models.BooleanField()


class _Words(Func):
    """On PostgreSQL: the words of a payload's text, as the index has them."""

    template = search_index.POSTGRESQL_WORDS.format(payload="%(expressions)s")
    output_field = models.TextField()


class _Query(Func):
    template = "to_tsquery('simple', %(expressions)s)"
    output_field = models.TextField()


class _HasWords(Func):
    template = "%(expressions)s"
    arg_joiner = " @@ "
    output_field = models.BooleanField()


def _messages_with(words: Sequence[str]) -> "QuerySet[Event]":
    """The messages that people see in which all the words stand, whosever they are."""
    messages = Event.objects.filter(type=TextMessageEnd.type).order_by()
    connection = connections[messages.db]
    is_indexed = search_index.is_there(connection)
    for_index: list[str] = []
    if is_indexed and connection.vendor == "sqlite":
        for_index = [word for word in words if len(word) >= 3]
        if for_index:
            rows = f"SELECT rowid FROM {search_index.TABLE} WHERE {search_index.TABLE} MATCH %s"
            messages = messages.filter(pk__in=RawSQL(rows, [_fts5(for_index)]))
    elif is_indexed:
        for_index = [word for word in words if re.search(r"\w", word) and not _SPACELESS.search(word)]
        if for_index:
            messages = messages.filter(
                _IsMessage("type"), _HasWords(_Words("payload"), _Query(Value(_tsquery(for_index))))
            )
    rest = [word for word in words if word not in for_index]
    found = messages.filter(*(_contains("payload__content", word, messages.db) for word in rest))
    return found.exclude(payload__content__regex=rf"^\s*{END_SIGNAL}\s*$")  # which no page shows


def _fts5(words: Sequence[str]) -> str:
    """Each word as a string of FTS5, in which only the quote means something."""
    return " ".join('"' + word.replace('"', '""') + '"' for word in words)


def _tsquery(words: Sequence[str]) -> str:
    """Each word as a quoted operand, in which only the quote and the backslash mean something."""
    quoted = ["'" + word.replace("\\", "\\\\").replace("'", "''") + "'" for word in words]
    return " & ".join(quoted) + ":*"


def _contains(field: str, word: str, using: str) -> Q:
    if connections[using].vendor == "sqlite":
        # SQLite's LIKE tells "Ä" from "ä"; Python's regular expressions, which Django lends it, do not.
        return Q(**{f"{field}__iregex": re.escape(word)})
    return Q(**{f"{field}__icontains": word})


def _newest(messages: "QuerySet[Event]", chats: Sequence[UUID]) -> dict[UUID, Event]:
    """The newest of these messages in each of the chats."""
    keys = messages.filter(session__in=chats).values("session").annotate(newest=Max("pk")).values("newest")
    return {event.session_id: event for event in Event.objects.filter(pk__in=list(_flat(keys)))}


def _flat(rows: Any) -> Iterator[int]:
    return (row["newest"] for row in rows)


# --- showing it -----------------------------------------------------------------------------------------------------


def _found(chat: ChatSession, message: Event | None, words: Sequence[str]) -> Found:
    pattern = re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))), re.IGNORECASE)
    agent = agent_title(chat.agent)
    return Found(
        url=chat.get_absolute_url() + (f"#{anchor_of(message.seq)}" if message else ""),
        title=list(_parts(chat.title or agent, pattern)),
        agent=agent,
        at=chat.updated_at,
        snippet=list(_parts(_around(message.payload["content"], pattern), pattern)) if message else [],
    )


def _around(message: str, pattern: re.Pattern[str]) -> str:
    """What stands around the first word that was found, in one line."""
    text = " ".join(without_end_signal(message[: search_index.MAX_CHARS]).split())
    first = pattern.search(text)
    start = max(0, first.start() - BEFORE) if first else 0
    end = (first.start() if first else 0) + AFTER
    return ("…" if start else "") + text[start:end].strip() + ("…" if end < len(text) else "")


def _parts(text: str, pattern: re.Pattern[str]) -> Iterator[Part]:
    at = 0
    for hit in pattern.finditer(text):
        if hit.start() > at:
            yield Part(text=text[at : hit.start()], is_hit=False)
        yield Part(text=hit[0], is_hit=True)
        at = hit.end()
    if at < len(text):
        yield Part(text=text[at:], is_hit=False)
