"""A group chat's messages as JSON, to go on with later.

What comes back was stored somewhere else, so it is checked before an agent remembers it.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from agentchat.agents.base import Message
from agentchat.errors import ConfigError


class _Saved(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Function(_Saved):
    name: str
    arguments: str


class _Call(_Saved):
    id: str
    function: _Function


class _Result(_Saved):
    tool_call_id: str
    content: str


class _Message(_Saved):
    role: Literal["user", "assistant", "system", "tool", "function"] = "user"
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[_Call] | None = None
    tool_responses: list[_Result] | None = None
    function_call: _Function | None = None


_MESSAGES = TypeAdapter(list[_Message])


def to_string(messages: Sequence[Message]) -> str:
    """The messages as JSON. Raise ConfigError if one holds what JSON cannot."""
    try:
        return json.dumps(list(messages))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"these messages cannot be saved as JSON: {error}") from error


def from_string(text: str) -> list[Message]:
    """The messages that were saved. Raise ConfigError if these are none."""
    try:
        saved = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"saved messages must be JSON, as messages_to_string() gives it: {error}") from error
    return checked(saved)


def checked(messages: Any) -> list[Message]:
    """Copies of the messages, each with a role. Raise ConfigError if these are no messages."""
    try:
        found = _MESSAGES.validate_python(messages)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "they"
        raise ConfigError(f"saved messages must be a list of messages: {place}: {first['msg']}") from error
    for number, message in enumerate(found):
        if message.content is None and not message.tool_calls and not message.function_call:
            raise ConfigError(f"saved message {number} says nothing: it needs a 'content' or 'tool_calls'")
    return [{**message.model_dump(exclude_none=True), "content": message.content} for message in found]
