"""Full-text search on PostgreSQL, by `django.contrib.postgres`. Imported only where PostgreSQL is the database.

A project needs no `django.contrib.postgres` in its INSTALLED_APPS for this.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.contrib.postgres.search import SearchQuery, SearchVectorExact, SearchVectorField
from django.db.models import BooleanField, Func, QuerySet

from agentchat.search.index import MAX_CHARS, MESSAGE_TYPE

if TYPE_CHECKING:
    from agentchat.models import Event

# As in migration 0007. PostgreSQL's parser would make addresses, signed numbers and file names of words around these.
_PUNCTUATION = "-./:@_&=?#+,;!"
_SPACES = dict.fromkeys(map(ord, _PUNCTUATION), " ")


# The planner uses the index for exactly its own expression and condition, without parameters. Django's SearchVector has
# a COALESCE around the expression, which the index has not.
class _IndexedText(Func):
    template = (
        f"to_tsvector('simple', translate(left(agentchat_fold(left(%(expressions)s ->> 'content', {MAX_CHARS})), "
        f"{MAX_CHARS}), '{_PUNCTUATION}', '{' ' * len(_PUNCTUATION)}'))"
    )
    output_field = SearchVectorField()


class _IsIndexed(Func):
    template = f"%(expressions)s = '{MESSAGE_TYPE}'"
    output_field = BooleanField()


def filter_by_words(messages: "QuerySet[Event]", words: Sequence[str]) -> "QuerySet[Event]":
    """The messages that contain all the folded words; the last one may be the beginning of a word."""
    query = SearchQuery(_tsquery(words), config="simple", search_type="raw")
    return messages.filter(_IsIndexed("type"), SearchVectorExact(_IndexedText("payload"), query))


def is_exact(word: str) -> bool:
    """Whether what the index finds contains the word as it is, and not only its letters and digits."""
    return re.fullmatch(r"[^\W_]+", word) is not None


def _tsquery(words: Sequence[str]) -> str:
    """Each word as a quoted operand, in which only quotes and backslashes have a meaning, and are escaped."""
    plain = [word.translate(_SPACES) for word in words]
    quoted = ["'" + word.replace("\\", "\\\\").replace("'", "''") + "'" for word in plain]
    return " & ".join(quoted) + ":*"
