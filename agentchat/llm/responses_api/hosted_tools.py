"""Tools that the service runs by itself: how an entry asks for them, and their calls as those of other tools."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from agentchat.errors import ConfigError

MAX_RESULT_CHARS = 20_000

_CONTAINER = {"container": {"type": "auto"}}
_DEFAULTS: dict[str, dict[str, Any]] = {"code_interpreter": _CONTAINER}
# What is to be sent of their calls: without this, results stay with the service.
_INCLUDED = {
    "web_search": "web_search_call.action.sources",
    "code_interpreter": "code_interpreter_call.outputs",
    "file_search": "file_search_call.results",
}
REASONING = "reasoning.encrypted_content"


def hosted_tools(given: Any, model: str) -> tuple[dict[str, Any], ...]:
    """The tools of an entry, by their types or as the API has them. Raise ConfigError for what is none."""
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise ConfigError(f"model {model!r}: 'hosted_tools' is {given!r:.200}; use a list, such as ['web_search']")
    return tuple(_hosted_tool(each, model) for each in given)


def _hosted_tool(given: Any, model: str) -> dict[str, Any]:
    tool = {"type": given, **_DEFAULTS.get(given, {})} if isinstance(given, str) else given
    if not isinstance(tool, Mapping) or not isinstance(tool.get("type"), str) or tool["type"] == "function":
        raise ConfigError(
            f"model {model!r}: 'hosted_tools' has {given!r:.200}; use a type such as 'web_search', or a dict with a "
            f"'type'"
        )
    return dict(tool)


def included(tools: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a request with these tools asks to be sent."""
    kinds = dict.fromkeys(_INCLUDED.get(str(tool["type"]).removesuffix("_preview")) for tool in tools)
    return [REASONING, *filter(None, kinds)]


def call_of(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """The call that an item of the output is, with its result as text; None if it is none of a hosted tool."""
    kind = str(item.get("type"))
    if not kind.endswith("_call") or kind == "function_call":
        return None
    arguments, result = _parts_of(kind, item)
    return {
        "id": str(item.get("id") or kind),
        "name": kind.removesuffix("_call"),
        "arguments": json.dumps(arguments, ensure_ascii=False)[:MAX_RESULT_CHARS],
        "result": result[:MAX_RESULT_CHARS],
        "ok": item.get("status") in (None, "completed"),
    }


def _parts_of(kind: str, item: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The arguments and the result of a call."""
    match kind:
        case "web_search_call":
            action = item.get("action")
            fields = dict(action) if isinstance(action, Mapping) else {}
            sources = fields.pop("sources", None)
            lines = [str(each["url"]) for each in _objects(sources) if each.get("url")]
            return {key: value for key, value in fields.items() if value is not None}, "\n".join(lines)
        case "code_interpreter_call":
            outputs = _objects(item.get("outputs"))
            return {"code": item.get("code") or ""}, "\n".join(
                str(each.get("logs") or each.get("url") or "") for each in outputs
            )
        case "file_search_call":
            found = (
                f"{each.get('filename') or ''}\n{each.get('text') or ''}" for each in _objects(item.get("results"))
            )
            return {"queries": item.get("queries") or []}, "\n\n".join(found)
    known = ("id", "type", "status", "output", "result")
    arguments = {key: value for key, value in item.items() if key not in known and value is not None}
    return arguments, str(item.get("output") or "")


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in (value if isinstance(value, list) else ()) if isinstance(each, Mapping)]
