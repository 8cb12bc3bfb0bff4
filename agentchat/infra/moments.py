"""Moments: points in time that always have a zone, also in a project with USE_TZ = False.

There, Django's times are naive, in TIME_ZONE: they cannot be compared with those that came in as text, and a browser in
another zone would misread them. Only the columns are as Django has them; everything in Python has a zone.
"""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, Model
from django.utils import timezone


def now() -> datetime:
    return datetime.now(UTC)


def with_zone(moment: datetime) -> datetime:
    """The same moment; a naive one is a time in TIME_ZONE."""
    return timezone.make_aware(moment, timezone.get_default_timezone()) if timezone.is_naive(moment) else moment


def for_django(moment: datetime) -> datetime:
    """The same moment as Django's own columns have it: with USE_TZ = False a time in TIME_ZONE."""
    return moment if settings.USE_TZ else timezone.make_naive(moment, timezone.get_default_timezone())


class MomentField(DateTimeField):  # type: ignore[type-arg]  # not generic at run time
    """A DateTimeField whose values have a zone. To migrations it is a DateTimeField."""

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs

    def pre_save(self, model_instance: Model, add: bool) -> Any:
        if self.auto_now or (self.auto_now_add and add):
            moment = now()
            setattr(model_instance, self.attname, moment)
            return moment
        return super().pre_save(model_instance, add)

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        is_naive_column = value is not None and not settings.USE_TZ and timezone.is_aware(value)
        return timezone.make_naive(value, timezone.get_default_timezone()) if is_naive_column else value

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> Any:
        return super().get_db_converters(connection) + ([] if settings.USE_TZ else [_read_with_zone])


def _read_with_zone(value: datetime | None, expression: object, connection: object) -> datetime | None:
    return None if value is None else with_zone(value)
