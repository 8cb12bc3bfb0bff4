"""Who speaks: the names of a conversation's messages, in the letters that a service accepts."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Literal

MAX_CHARS = 64


class NameSpelling:
    """How names are spelled in the messages of one request. Names that differ still do."""

    def __init__(self, letters: Literal["any", "ascii", "none"], messages: Iterable[Mapping[str, Any]]) -> None:
        self._letters = letters
        self._spelled: dict[str, str] = {}
        speakers = {str(message["name"]) for message in messages if message["role"] == "user" and message.get("name")}
        self._has_several = len(speakers) > 1

    def apply(self, message: dict[str, Any]) -> dict[str, Any]:
        """The message with its name as the service accepts it, or with a text that begins with the name."""
        name = str(message.get("name") or "")
        if not name:
            return {key: value for key, value in message.items() if key != "name"}
        if message["role"] in ("tool", "function"):
            return {**message, "name": tool_name(name)}
        if self._letters != "none":
            return {**message, "name": self._spelling_of(name)}
        message = {key: value for key, value in message.items() if key != "name"}
        return _introduced(message, name) if self._has_several and message["role"] == "user" else message

    def _spelling_of(self, name: str) -> str:
        if name not in self._spelled:
            spelled = re.sub(r"[\s<|\\/>]", "_", name) if self._letters == "any" else _in_ascii(name)
            is_taken = len(spelled) > MAX_CHARS or spelled in self._spelled.values()
            self._spelled[name] = _marked(spelled, name) if is_taken else spelled
        return self._spelled[name]


def tool_name(name: Any) -> str:
    """The name of a tool that a model may have made up, as all services accept it."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", str(name or ""))[:MAX_CHARS] or "unknown_tool"


def _in_ascii(name: str) -> str:
    """The name in the letters that all services accept: "José" is "Jose", and "作家" differs from "评论"."""
    decomposed = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    spelled = re.sub(r"[^a-zA-Z0-9_-]", "_", decomposed)
    has_lost_letters = any(each.isalnum() and not each.isascii() for each in decomposed)
    return _marked(spelled, name) if has_lost_letters else spelled


def _marked(spelled: str, name: str) -> str:
    """The spelling with a mark that belongs to the name."""
    mark = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{spelled[: MAX_CHARS - 7].strip('_') or 'name'}_{mark}"


def _introduced(message: dict[str, Any], name: str) -> dict[str, Any]:
    content = message["content"]
    if isinstance(content, list):
        return {**message, "content": [{"type": "text", "text": f"{name}:"}, *content]}
    text = str(content or "")
    return message if text.startswith(f"{name}:") or not text.strip() else {**message, "content": f"{name}: {text}"}
