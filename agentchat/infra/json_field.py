"""JSON columns that can be read whatever they hold."""

from typing import Any

from django.db import models


class UnreadableJSON:
    """Instead of a value that Python cannot read: nested too deeply, or a number of too many digits."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __repr__(self) -> str:
        return f"<unreadable JSON: {self.reason}>"


class StoredJSONField(models.JSONField):
    """A JSONField whose rows can always be fetched. To migrations it is a JSONField."""

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        try:
            return super().from_db_value(value, expression, connection)
        except (RecursionError, ValueError) as error:
            return UnreadableJSON(str(error))
