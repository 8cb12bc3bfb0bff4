"""Folded texts as database expressions, for queries: a message's, a title's.

Without migration 0007's function, or one that is registered on SQLite's connection, only letter case is folded.
"""

import sqlite3

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Expression, F, Func, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Lower, StrIndex
from django.db.models.lookups import GreaterThan, Regex

from agentchat.search.folding import fold
from agentchat.search.index import TEXTS

# Between the words of a phrase: whatever is no letter and no digit, and the address of a link.
_GAP = r"(?:\W|_|\]\([^() ]*\))+"


class _Fold(Func):
    function = "agentchat_fold"
    output_field = TextField()


class _FoldedInIndex(Func):
    template = f"(SELECT content FROM {TEXTS} WHERE {TEXTS}.id = %(expressions)s)"
    output_field = TextField()


def prepare(connection: BaseDatabaseWrapper) -> None:
    """Give SQLite the function that PostgreSQL has."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        assert isinstance(connection.connection, sqlite3.Connection)
        connection.connection.create_function("agentchat_fold", 1, _fold, deterministic=True)


def folded_title(connection: BaseDatabaseWrapper) -> Expression:
    return _folded(F("title"), connection)


def folded_message(connection: BaseDatabaseWrapper, *, is_indexed: bool) -> Expression:
    if is_indexed and connection.vendor == "sqlite":
        return _FoldedInIndex("pk")
    return _folded(KT("payload__content"), connection)


def contains(text: Expression, term: str) -> GreaterThan | Regex:
    """Whether a folded text contains a word; or a phrase, which is several: in this order, with nothing between."""
    words = term.split()
    if len(words) > 1:
        return Regex(text, Value(phrase_pattern(term)))
    return GreaterThan(StrIndex(text, Value(term)), Value(0))


def phrase_pattern(term: str) -> str:
    """A regular expression for folded texts, in Python and in the databases."""
    return _GAP.join(map(_escaped, term.split()))


def _escaped(word: str) -> str:
    return "".join(each if each.isalnum() or ord(each) > 127 else f"\\{each}" for each in word)


def _folded(text: Expression | F, connection: BaseDatabaseWrapper) -> Expression:
    return _Fold(text) if connection.vendor in ("sqlite", "postgresql") else Lower(text, output_field=CharField())


def _fold(text: str | None) -> str:
    return fold(text or "")
