"""The tools that a client offers with its input: checked before anything is stored, since nobody can trust them."""

import re
from typing import Any

from ag_ui.core import RunAgentInput

from agentchat.errors import ToolError
from agentchat.infra.sanitize import clean_json
from agentchat.programs.errors import ProgramError
from agentchat.tools.client import ClientTool

MAX_TOOLS = 32
MAX_BYTES = 32 * 1024  # of all together, as JSON
MAX_NESTING = 12


def client_tools_in(found: RunAgentInput) -> list[dict[str, Any]]:
    """The name, the description and the parameters of each. Raise ProgramError."""
    if not found.tools:
        return []
    if len(found.tools) > MAX_TOOLS:
        raise _invalid(f"{MAX_TOOLS} at most")
    if any(_is_nested_deeper(each.parameters, MAX_NESTING) for each in found.tools):
        raise _invalid(f"their parameters may be nested {MAX_NESTING} deep at most")
    size = sum(len(each.model_dump_json().encode()) for each in found.tools)
    if size > MAX_BYTES:
        raise _invalid(f"{MAX_BYTES} bytes of JSON at most, together, not {size}")
    tools = [_checked(each.name, each.description, each.parameters) for each in found.tools]
    if len({tool["name"] for tool in tools}) < len(tools):
        raise _invalid("two have the same name")
    return tools


def _checked(name: str, description: str, parameters: Any) -> dict[str, Any]:
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
        raise _invalid(f"the name {name!r:.100} must be 1 to 64 letters, digits, '_' and '-'")
    parameters = {"type": "object", "properties": {}} if parameters is None else parameters
    if not isinstance(parameters, dict) or parameters.get("type") != "object":
        raise _invalid(f"the parameters of {name!r} must be a JSON schema of an object")
    tool = {"name": name, "description": clean_json(description), "parameters": clean_json(parameters)}
    try:
        ClientTool.of(tool)
    except ToolError as error:
        raise _invalid(f"{name}: {error}") from error
    return tool


def _is_nested_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _ in range(depth + 1):
        level = [each for part in level for each in _parts(part)]
        if not level:
            return False
    return True


def _parts(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _invalid(reason: str) -> ProgramError:
    return ProgramError(400, "invalid_input", f"tools: {reason}.")
