"""A group chat's messages as JSON, to resume it later.

They were stored elsewhere in between, so they are validated before an agent remembers them.
"""

import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from agentchat.agents.protocols import Message
from agentchat.errors import ConfigError


class _SavedPart(BaseModel):
    model_config = ConfigDict(extra="allow")


class _SavedFunction(_SavedPart):
    name: str
    arguments: str


class _SavedCall(_SavedPart):
    id: str
    function: _SavedFunction


class _SavedResult(_SavedPart):
    tool_call_id: str
    content: str


class _SavedMessage(_SavedPart):
    role: Literal["user", "assistant", "system", "tool", "function"] = "user"
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[_SavedCall] | None = None
    tool_responses: list[_SavedResult] | None = None
    function_call: _SavedFunction | None = None


_MESSAGES = TypeAdapter(list[_SavedMessage])


def to_string(messages: Sequence[Message]) -> str:
    """The messages as JSON. Raise ConfigError if one holds what JSON cannot."""
    try:
        return json.dumps(list(messages))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"these messages cannot be saved as JSON: {error}") from error


def from_string(text: str) -> list[Message]:
    """The messages that were saved. Raise ConfigError if the text is not that."""
    try:
        saved = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"saved messages must be JSON, as messages_to_string() gives it: {error}") from error
    return validated(saved)


def validated(messages: Any) -> list[Message]:
    """Copies of the messages, each with a role. Raise ConfigError if these are not messages."""
    try:
        found = _MESSAGES.validate_python(messages)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        location = ".".join(str(part) for part in first["loc"]) or "they"
        raise ConfigError(f"saved messages must be a list of messages: {location}: {first['msg']}") from error
    for number, message in enumerate(found):
        if message.content is None and not message.tool_calls and not message.function_call:
            raise ConfigError(f"saved message {number} is empty: it needs a 'content' or 'tool_calls'")
    return [{**message.model_dump(exclude_none=True), "content": message.content} for message in found]
