"""Keyset pagination: a list goes on from a cursor, not from a page number, so far down costs what the top costs.

A list is ordered by a time, the newest first, and among equals by key; a cursor is the time and the key of a row. It
travels in URLs, as a text that a client may have changed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_datetime

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Right after the row with this time and this key."""

    at: datetime
    key: str

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%S.%fZ')}_{self.key}"


def cursor_of(row: Model, field: str) -> Cursor:
    return Cursor(at=getattr(row, field), key=str(row.pk))


def parse_cursor(text: str, model: type[Model]) -> Cursor | None:
    """The cursor that a text stands for, in a list of such rows, or None."""
    time, _, key = text.partition("_")
    try:
        at, pk = parse_datetime(time), model._meta.pk.to_python(key)
        if at is None or at.tzinfo is None or (isinstance(pk, int) and not 0 < pk < 2**63):
            return None
        return Cursor(at=at.astimezone(UTC), key=str(pk))
    except (ValueError, OverflowError, ValidationError):
        return None


def in_order(rows: QuerySet[M], field: str) -> QuerySet[M]:
    return rows.order_by(f"-{field}", "-pk")


def after(rows: QuerySet[M], field: str, cursor: Cursor) -> QuerySet[M]:
    """The rows that come after a cursor."""
    # Twice, because databases find the position by the first condition alone.
    return rows.filter(**{f"{field}__lte": cursor.at}).filter(Q(**{f"{field}__lt": cursor.at}) | Q(pk__lt=cursor.key))
