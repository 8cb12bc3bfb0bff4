"""The messages of an agent's chats, as it remembers them.

An agent has a history with each partner: its own messages have the role "assistant", the partner's "user". Tool calls
and their results keep their own roles. The results of one message's calls stay together in one message until a model
is asked, which wants one for each. A message may hold a template instead of its text, and the context to render it
with.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from agentchat.agents.protocols import Agent, Message
from agentchat.core.files import references_in
from agentchat.core.json_values import as_text
from agentchat.llm.response import REASONING_FIELDS

_KEPT = (
    *("content", "function_call", "tool_calls", "tool_responses", "tool_call_id", "name", "context"),
    *REASONING_FIELDS,
)
_FOR_MODELS = ("role", "content", "name", "function_call", "tool_calls", "tool_call_id", *REASONING_FIELDS)
_PLACEHOLDERS = {"image_url": "<image>"}  # as AutoGen 0.2 has it


class Histories(defaultdict[Agent, list[Message]]):
    """Partner → messages, the oldest first."""

    def __init__(self, known: Mapping[Agent, Iterable[Message]] | None = None) -> None:
        super().__init__(list, {partner: list(messages) for partner, messages in (known or {}).items()})

    def __copy__(self) -> "Histories":
        return Histories(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Histories, (), None, None, iter(self.items())  # for `copy.deepcopy`

    def add(self, message: Message | str, *, partner: Agent, role: str, speaker: str) -> None:
        """Remember a message. Raise ValueError if it has neither content nor calls."""
        self[partner].append(_kept(as_message(message), role=role, speaker=speaker))

    def forget(self, partner: Agent | None = None, *, keep: int = 0) -> None:
        """Forget the messages with a partner, or with all, except the newest `keep`."""
        for messages in [self[partner]] if partner is not None else self.values():
            kept = min(keep, len(messages))
            if 0 < kept < len(messages) and "tool_responses" in messages[-kept]:
                kept += 1  # models refuse a tool's result without its call
            del messages[: len(messages) - kept]


def as_message(message: Message | str) -> Message:
    if isinstance(message, Mapping):
        return dict(message)
    return {"content": message if isinstance(message, str) else as_text(message)}  # such as a lazy translation


def text_of(content: Any) -> str:
    """The text of a message's content, which may also be None or a list of parts."""
    if content is None or isinstance(content, str):
        return content or ""
    if callable(content):
        return ""  # a template that has not been rendered yet
    if not isinstance(content, list):
        return as_text(content)
    return "".join(map(_text_of_part, content))


def _text_of_part(part: Any) -> str:
    if not isinstance(part, Mapping):
        return as_text(part)
    type_ = part.get("type", "text")
    if references_in(part):
        return ""  # a card shows the file
    return as_text(part.get("text", "")) if type_ == "text" else _PLACEHOLDERS.get(type_, f"<{type_}>")


def for_model(messages: Iterable[Message]) -> list[Message]:
    """The messages as a model reads them, in the form of `llm.history`, which fits them to its service."""
    unpacked: list[Message] = []
    for message in messages:
        unpacked += map(dict, message.get("tool_responses") or ())
        if message.get("role") == "tool" and message.get("tool_responses"):
            continue  # its content only repeats the responses
        unpacked.append({key: message[key] for key in _FOR_MODELS if key in message})
    return unpacked


def render_content(template: Any, context: Any, format_texts: bool) -> Any:
    """A content rendered with its context: a function is called with it, a text is formatted if `format_texts`."""
    if not context:
        return template
    if callable(template):
        return template(context)
    return template.format(**context) if format_texts and isinstance(template, str) else template


def render_messages(messages: Iterable[Message], context: Any, format_texts: bool) -> list[Message]:
    """The messages with their templates rendered."""
    return [
        {**message, "content": render_content(message["content"], context, format_texts)}
        if message.get("content")
        else message
        for message in messages
    ]


def _kept(message: Message, *, role: str, speaker: str) -> Message:
    kept = {key: message[key] for key in _KEPT if message.get(key) is not None}
    called = bool(kept.get("tool_calls") or kept.get("function_call"))
    if "content" not in kept and not called:
        raise ValueError(f"a message needs a 'content' or 'tool_calls'; {speaker!r} sent {message!r}")
    kept.setdefault("content", None)
    if called:
        kept["role"] = "assistant"  # only models call tools
        return kept
    kept["role"] = message["role"] if message.get("role") in ("tool", "function", "system") else role
    kept.setdefault("name", speaker)
    return kept
