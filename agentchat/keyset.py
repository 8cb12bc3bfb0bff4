"""Lists that are read on from a place, not from a page number: what is far down costs what is at the top costs.

A list is ordered by a time, the newest first, and among equals by key; a place in it is the time and the key of a row.
It travels in addresses, as a text that somebody may have changed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_datetime

M = TypeVar("M", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Right after the row with this time and this key."""

    at: datetime
    key: str

    def __str__(self) -> str:
        return f"{self.at.strftime('%Y-%m-%dT%H:%M:%S.%fZ')}_{self.key}"


def place_of(row: Model, field: str) -> Place:
    return Place(at=getattr(row, field), key=str(row.pk))


def parse_place(text: str, model: type[Model]) -> Place | None:
    """The place that a text means, in a list of such rows; None: it means none."""
    time, _, key = text.partition("_")
    try:
        at, pk = parse_datetime(time), model._meta.pk.to_python(key)
        if at is None or at.tzinfo is None or (isinstance(pk, int) and not 0 < pk < 2**63):
            return None
        return Place(at=at.astimezone(UTC), key=str(pk))
    except (ValueError, OverflowError, ValidationError):
        return None


def in_order(rows: QuerySet[M], field: str) -> QuerySet[M]:
    return rows.order_by(f"-{field}", "-pk")


def after(rows: QuerySet[M], field: str, place: Place) -> QuerySet[M]:
    """The rows that come after a place in the list."""
    # Said twice, because databases find the place by the first one alone.
    return rows.filter(**{f"{field}__lte": place.at}).filter(Q(**{f"{field}__lt": place.at}) | Q(pk__lt=place.key))
