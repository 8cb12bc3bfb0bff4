"""What was said, as one agent remembers it.

An agent has a history with each partner: its own words have the role "assistant", the partner's "user". Tool calls and
their results keep their own roles. The results of one message's calls stay together in one message until a model is
asked, which wants one for each. A message may hold a template instead of its words, and the context to fill it in with.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from agentchat.agents.base import Agent, Message

_KEPT = ("content", "function_call", "tool_calls", "tool_responses", "tool_call_id", "name", "context")
_FOR_MODELS = ("role", "content", "name", "function_call", "tool_calls", "tool_call_id")


class Histories(defaultdict[Agent, list[Message]]):
    """Partner → messages, the oldest first."""

    def __init__(self, known: Mapping[Agent, Iterable[Message]] | None = None) -> None:
        super().__init__(list, {partner: list(messages) for partner, messages in (known or {}).items()})

    def add(self, message: Message | str, *, partner: Agent, role: str, speaker: str) -> None:
        """Remember a message. Raise ValueError if nothing is said in it."""
        self[partner].append(_kept(as_message(message), role=role, speaker=speaker))

    def forget(self, partner: Agent | None = None, *, but: int = 0) -> None:
        """Forget what was said with a partner, or with all, but for the newest messages."""
        for messages in [self[partner]] if partner is not None else self.values():
            keep = min(but, len(messages))
            if 0 < keep < len(messages) and "tool_responses" in messages[-keep]:
                keep += 1  # models refuse a tool's result without its call
            del messages[: len(messages) - keep]


def as_message(message: Message | str) -> Message:
    return {"content": message} if isinstance(message, str) else dict(message)


def text_of(content: Any) -> str:
    """The text of a message's content, which may also be None or a list of parts."""
    if content is None or isinstance(content, str):
        return content or ""
    if callable(content):
        return ""  # a template: nobody has said its words yet
    return "".join(part["text"] if part.get("type", "text") == "text" else f"<{part['type']}>" for part in content)


def for_model(messages: Iterable[Message]) -> list[Message]:
    """The messages as a model takes them."""
    unpacked: list[Message] = []
    for message in messages:
        unpacked += map(dict, message.get("tool_responses") or ())
        if message.get("role") == "tool" and message.get("tool_responses"):
            continue  # its content only repeats what the responses say
        unpacked.append({key: message[key] for key in _FOR_MODELS if key in message})
    for message in unpacked:
        if "name" in message:
            message["name"] = re.sub(r"[^a-zA-Z0-9_-]", "_", message["name"])[:64]
        if "function_call" in message:
            message["function_call"] = {key: message["function_call"][key] for key in ("name", "arguments")}
    return unpacked


def filled(template: Any, context: Any, format_texts: bool) -> Any:
    """A content with its context: a function is called with it, a text is formatted if that is wanted."""
    if not context:
        return template
    if callable(template):
        return template(context)
    return template.format(**context) if format_texts and isinstance(template, str) else template


def filled_in(messages: Iterable[Message], context: Any, format_texts: bool) -> list[Message]:
    """The messages with their templates filled in."""
    return [
        {**message, "content": filled(message["content"], context, format_texts)} if message.get("content") else message
        for message in messages
    ]


def _kept(message: Message, *, role: str, speaker: str) -> Message:
    kept = {key: message[key] for key in _KEPT if message.get(key) is not None}
    called = bool(kept.get("tool_calls") or kept.get("function_call"))
    if "content" not in kept and not called:
        raise ValueError(f"a message needs a 'content' or 'tool_calls'; {speaker!r} said {message!r}")
    kept.setdefault("content", None)
    if called:
        kept["role"] = "assistant"  # only models call tools
        return kept
    kept["role"] = message["role"] if message.get("role") in ("tool", "function", "system") else role
    kept.setdefault("name", speaker)
    return kept
