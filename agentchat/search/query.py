"""Search in the titles and messages of the visitor's own chats.

One message, or one title, must contain all words of a query, and what stands in quotes as a phrase. The last one may be
the beginning of a word; with trigrams, each may be any part of a word. All are compared folded (`folding.py`). Queries
are data: no character but the quote has a special meaning.

Some words are not in the index (`index.py`): with trigrams, those of less than three characters; on PostgreSQL, symbols
and words in scripts without spaces. For these, the visitor's own messages are read. `results.py` has what a page shows.
"""

import re
from collections.abc import Sequence
from uuid import UUID

from django.db import connections
from django.db.models import Max, Q, QuerySet
from django.db.models.expressions import RawSQL

from agentchat.events import TextMessageEnd
from agentchat.markup.markdown import END_SIGNAL
from agentchat.models import ChatSession, Event
from agentchat.search import expressions, index
from agentchat.search.folding import fold
from agentchat.search.results import SearchResults, result_of
from agentchat.visitors import Visitor

MAX_QUERY = 200  # characters
MAX_WORDS = 12
MAX_FOUND = 50  # chats

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_TERM = re.compile(r'"([^"]*)"?|([^\s"]+)')  # a quote without its other one begins a phrase too


def find(visitor: Visitor, query: str) -> SearchResults:
    """The visitor's chats that contain the terms of the query, newest first."""
    terms = terms_of(query)
    if not terms:
        return SearchResults(chats=[], has_more=False)
    own = ChatSession.objects.of(visitor)
    expressions.prepare(connections[own.db])
    messages = _messages_with(terms, among=_messages().filter(session__in=own.values("pk")))
    title = expressions.folded_title(connections[own.db])
    in_title = Q(*(expressions.contains(title, term) for term in terms))
    chats = list(own.filter(in_title | Q(pk__in=messages.values("session"))).order_by("-updated_at")[: MAX_FOUND + 1])
    newest = _newest(messages, [chat.pk for chat in chats[:MAX_FOUND]])
    results = [result_of(chat, newest.get(chat.pk), terms) for chat in chats[:MAX_FOUND]]
    return SearchResults(chats=results, has_more=len(chats) > MAX_FOUND)


def terms_of(query: str) -> list[str]:
    """The folded terms of a query: words, and phrases, which contain spaces."""
    folded = fold(_CONTROL.sub(" ", query[:MAX_QUERY]))
    terms: list[str] = []
    for phrase, word in _TERM.findall(folded):
        room = MAX_WORDS - sum(len(term.split()) for term in terms)
        if words := (phrase or word).split()[:room]:
            terms.append(" ".join(words))
    return terms


def _messages() -> "QuerySet[Event]":
    return Event.objects.filter(type=TextMessageEnd.type).order_by()


def _messages_with(terms: Sequence[str], *, among: "QuerySet[Event] | None" = None) -> "QuerySet[Event]":
    """The visible messages that contain all the terms; `among` those of a visitor, or of all owners."""
    messages = _messages() if among is None else among
    connection = connections[messages.db]
    is_indexed = index.is_available(connection) and (among is None or index.extend(among))
    unchecked = terms
    words = " ".join(terms).split()
    if is_indexed and connection.vendor == "sqlite":
        if indexed := [word for word in words if len(word) >= 3]:
            rows = f"SELECT rowid FROM {index.TABLE} WHERE {index.TABLE} MATCH %s"
            messages = messages.filter(pk__in=RawSQL(rows, [_fts5(indexed)]))
        unchecked = [term for term in terms if term not in indexed]
    elif is_indexed:
        from agentchat.search import postgresql  # late: other databases need no psycopg

        if indexed := [word for word in words if re.search(r"[^\W_]", word) and not _SPACELESS.search(word)]:
            messages = postgresql.filter_by_words(messages, indexed)
        unchecked = [term for term in terms if term not in indexed or not postgresql.is_exact(term)]
    text = expressions.folded_message(connection, is_indexed=is_indexed)
    matching = messages.filter(*(expressions.contains(text, term) for term in unchecked))
    return matching.exclude(payload__content__regex=rf"^\s*{END_SIGNAL}\s*$")  # no page shows these


def _fts5(words: Sequence[str]) -> str:
    """Each word as an FTS5 string, in which only quotes have a meaning, and are escaped."""
    return " ".join('"' + word.replace('"', '""') + '"' for word in words)


def _newest(messages: "QuerySet[Event]", chats: Sequence[UUID]) -> dict[UUID, Event]:
    """The newest of these messages in each of the chats."""
    newest = messages.filter(session__in=chats).values("session").annotate(pk_of_newest=Max("pk"))
    keys = list(newest.values_list("pk_of_newest", flat=True))
    return {event.session_id: event for event in Event.objects.filter(pk__in=keys)}
