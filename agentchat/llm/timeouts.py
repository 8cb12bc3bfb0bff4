"""How long a model may be silent: while it connects, until its first word, and between its words."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agentchat.errors import ConfigError

FIRST_WORD_SECONDS = 120.0  # reasoning models think, and local ones are loaded, before they write
VARIABLE = "AGENTCHAT_LLM_TIMEOUT_S"

_KEYS = {"connect", "first", "read"}


@dataclass(frozen=True, kw_only=True)
class Timeout:
    """Seconds to connect; seconds of silence until the first word, and after it. None waits for ever.

    A heartbeat of the service breaks the silence: it says that the request is still in its queue.
    """

    connect: float | None = 5.0
    first: float | None = FIRST_WORD_SECONDS
    read: float | None = 60.0

    def __str__(self) -> str:
        return f"connect: {self.connect} s, first word: {self.first} s, read: {self.read} s"


def timeout_of(given: Mapping[str, Any], model: str) -> Timeout:
    """The time-outs of an entry: its `timeout`, or else the default ones. Raise ConfigError if it is not valid.

    One number is for the first word and between words; so is "read" where there is no "first".
    """
    if "timeout" not in given:
        return Timeout(first=default_first_word())
    timeout = given["timeout"]
    if hasattr(timeout, "connect") and hasattr(timeout, "read"):  # an httpx.Timeout
        parts = {"connect": timeout.connect, "read": timeout.read}
    else:
        parts = dict(timeout) if isinstance(timeout, Mapping) else {"read": timeout}
    if not (set(parts) <= _KEYS and all(_is_seconds(part) for part in parts.values())):
        raise ConfigError(
            f"model {model!r}: 'timeout' is {timeout!r}; use seconds of silence, or"
            " {'connect': seconds, 'first': seconds until the first word, 'read': seconds between words}"
        )
    if "first" not in parts:
        parts["first"] = parts["read"] if "read" in parts else default_first_word()
    return Timeout(**parts)


def seconds_from_environment() -> float:
    """How long a first word may take, unless an entry says otherwise."""
    value = os.environ.get(VARIABLE)
    if not value:
        return FIRST_WORD_SECONDS
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"{VARIABLE} is {value!r}: use seconds until a model's first word, such as 120")
    return seconds


default_first_word: Callable[[], float] = seconds_from_environment
"""A site with settings has another one."""


def _is_seconds(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0)
