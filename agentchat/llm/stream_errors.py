"""Errors that arrive in an answer, after the service had said that all was well (HTTP 200)."""

from collections.abc import Iterator, Mapping
from typing import Any

from agentchat.errors import LLMError
from agentchat.llm.errors import TEXTS, kind_of, words_of


def error_in(chunk: Mapping[str, Any]) -> LLMError | None:
    """The error that a chunk reports, in the service's own words; None if it reports none."""
    error = next(filter(None, _reports(chunk)), None)
    if error is None:
        return None
    if error is True:
        error = chunk
    return kind_of(chunk if error is chunk else {**chunk, "error": error})(
        f"the answer held an error: {words_of(error)}"
    )


def _reports(chunk: Mapping[str, Any]) -> Iterator[Any]:
    """What is in each of the places where services report an error; most are empty."""
    choices = chunk.get("choices")
    yield chunk.get("error")
    yield from (choice.get("error") for choice in choices or () if isinstance(choice, Mapping))
    if isinstance(groq := chunk.get("x_groq"), Mapping):
        yield groq.get("error")
    if isinstance(minimax := chunk.get("base_resp"), Mapping) and minimax.get("status_code"):
        yield minimax
    if not choices and not chunk.get("usage") and any(chunk.get(name) for name in TEXTS):
        yield chunk
