"""What a server says of its tools: as JSON values, for the journal; bounded; and compared with what it said before."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agentchat.errors import ToolError
from agentchat.mcp.servers import McpServer

MAX_TOOLS = 256
MAX_DESCRIPTION_CHARS = 4_000
MAX_SCHEMA_CHARS = 32_000
MAX_LIST_CHARS = 500_000
MAX_QUESTION_CHARS = 100_000
MAX_NAME_CHARS = 64  # that models take

_NAME = re.compile(r"[!-~]{1,128}")  # what the specification allows, and a little more

Definition = dict[str, Any]
"""What a server says of one tool: `name`, `description`, `schema`, `readOnly`."""

Known = Mapping[str, Definition]


def _pin_nothing(server: str, offered: Known) -> Known:
    return offered


def _accept_nothing(server: str, changed: Known) -> None:
    """Nothing is pinned."""


pinned: Callable[[str, Known], Known] = _pin_nothing
"""What this server said when the site first saw it: now, if it never has. A seam: Django's half has a table."""

accept: Callable[[str, Known], None] = _accept_nothing
"""From now on, this is what the server says of these tools."""


def definitions_of(server: McpServer, offered: Iterable[Any]) -> dict[str, Definition]:
    """Of the SDK's tools, by their names; impossible ones are left out. Raise ToolError if they are too much."""
    found = {tool.name: _definition(tool) for tool in offered if _NAME.fullmatch(tool.name)}
    if len(found) > MAX_TOOLS or len(json.dumps(found)) > MAX_LIST_CHARS:
        raise ToolError(
            f"MCP server {server.key!r} offers {len(found)} tools, and what it says of them has "
            f"{len(json.dumps(found))} characters: {MAX_TOOLS} tools and {MAX_LIST_CHARS} characters are possible"
        )
    return found


def _definition(tool: Any) -> Definition:
    schema = json.dumps(tool.input_schema).replace(r"\u0000", r"\ufffd")  # databases have no NUL
    if len(schema) > MAX_SCHEMA_CHARS:
        raise ToolError(f"tool {tool.name!r} has a schema of more than {MAX_SCHEMA_CHARS} characters")
    return {
        "name": tool.name,
        "description": (tool.description or tool.title or tool.name)[:MAX_DESCRIPTION_CHARS].replace("\0", ""),
        "schema": json.loads(schema),
        "readOnly": bool(tool.annotations and tool.annotations.read_only_hint),
    }


def changes_text(server: str, before: Mapping[str, Definition | None], now: Known) -> str:
    """The question to staff. The texts of the server are quoted as JSON, which has no line breaks."""
    lines = [
        f"The MCP server {server!r} says something else of its tools than before. Such a change may be an update, or "
        f"an attempt to make models do what you have not agreed to. May agents use these tools as they are now?"
    ]
    for name, then in before.items():
        lines.append(f"\n{json.dumps(name)}" + (" is new" if then is None else ""))
        for key in ("description", "readOnly", "schema"):
            if then is None or then[key] != now[name][key]:
                lines += [] if then is None else [f"{key}, before: {json.dumps(then[key], ensure_ascii=False)}"]
                lines.append(f"{key}, now: {json.dumps(now[name][key], ensure_ascii=False)}")
    text = "\n".join(lines)
    if len(text) > MAX_QUESTION_CHARS:
        return f"{text[:MAX_QUESTION_CHARS]}\n\n(There is more: do not accept it before you have read it elsewhere.)"
    return text


def model_names(prefix: str, names: Iterable[str]) -> dict[str, str]:
    """The names that models know, by the server's own: with the prefix, of allowed characters, and each but once."""
    known: dict[str, str] = {}
    for name in sorted(names):
        plain = re.sub(r"[^a-zA-Z0-9_-]", "_", f"{prefix}_{name}")
        if len(plain) > MAX_NAME_CHARS or plain in known.values():
            digest = hashlib.sha256(name.encode()).hexdigest()[:8]
            plain = f"{plain[: MAX_NAME_CHARS - 9]}_{digest}"
        known[name] = plain
    return known
