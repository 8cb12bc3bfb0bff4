"""The fields of a chunk: each is of the kind that the API says, or null, or the chunk is none."""

from typing import Any, TypeVar

from agentchat.errors import LLMStreamTruncated

K = TypeVar("K")


def of_kind(kind: type[K] | tuple[type[K], ...], value: Any, field: str) -> K | None:
    """The value of a chunk's field, or None if it is null. Raise LLMStreamTruncated if it is of another kind."""
    if value is None or isinstance(value, kind):
        return value
    raise LLMStreamTruncated(f"a chunk of the answer has a value of the kind {type(value).__name__} for {field!r}")
