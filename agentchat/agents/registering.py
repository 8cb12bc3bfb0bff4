"""Which tools there are: those that an agent's model is told of, and those that an agent runs."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from agentchat.errors import ConfigError
from agentchat.tools import Tool, tool_of
from agentchat.tools.schema import NeedsApproval

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent

Style = Literal["tool", "function"]
_LISTS: dict[Style, str] = {"tool": "tools", "function": "functions"}


def register_function(
    f: Callable[..., Any],
    *,
    caller: "ConversableAgent",
    executor: "ConversableAgent",
    name: str | None = None,
    description: str | None = None,
    retry_safe: bool = False,
    timeout: float | None = None,
    approval: NeedsApproval = False,
    approval_expires_in: timedelta | None = None,
) -> None:
    """Let the caller's model ask for `f`, and the executor run it. `f` may be async.

    The model sees `name` (else the function's own), `description` (else its docstring's first paragraph) and a schema
    made of the annotations. `retry_safe=True`: `f` may run again if its process died and nobody can know whether it
    took effect. `timeout`: seconds that one call may take, instead of the default. `approval`: whether the person must
    approve each call, or a function of its arguments that says so; they may change the arguments, or refuse with a
    reason that the model reads. `approval_expires_in`: for so long may they answer. Raise ConfigError if `f` cannot be
    a tool or the caller has no model.
    """
    tool = caller.register_for_llm(name=name, description=description)(f)
    executor.register_for_execution(
        retry_safe=retry_safe, timeout=timeout, approval=approval, approval_expires_in=approval_expires_in
    )(tool)


# --- what an agent's model is told ------------------------------------------------------------------------------------


def register_for_llm(
    agent: "ConversableAgent", *, name: str | None = None, description: str | None = None, api_style: Style = "tool"
) -> Callable[[Callable[..., Any]], Tool]:
    """Decorate a function that this agent's model may ask for. What comes of it is called as the function is.

    `api_style="function"` tells the model in the older way, for services that know no other.
    """
    _config_of(agent)
    if api_style not in _LISTS:
        raise ConfigError(f"api_style {api_style!r}: give 'tool' or 'function'")

    def register(function: Callable[..., Any]) -> Tool:
        tool = tool_of(function, name=name, description=description)
        schema = tool.schema()
        _tell(agent, api_style, schema if api_style == "tool" else schema["function"])
        return tool

    return register


def update_tool_signature(agent: "ConversableAgent", tool_sig: str | dict[str, Any], is_remove: bool | None) -> None:
    """Tell the model of a tool, by its schema in OpenAI's shape; or no longer, by its name."""
    _update(agent, "tool", tool_sig, is_remove)


def update_function_signature(
    agent: "ConversableAgent", func_sig: str | dict[str, Any], is_remove: bool | None
) -> None:
    """The same in the older way of calling functions."""
    _update(agent, "function", func_sig, is_remove)


def _update(agent: "ConversableAgent", style: Style, signature: str | dict[str, Any], is_remove: bool | None) -> None:
    if is_remove:
        name = signature if isinstance(signature, str) else _name_of(signature)
        _tell(agent, style, None, without=name)
    elif isinstance(signature, dict):
        _tell(agent, style, signature)
    else:
        raise ConfigError(f"the signature {signature!r} must be a dict; a name only takes one away")


def _tell(agent: "ConversableAgent", style: Style, schema: dict[str, Any] | None, *, without: str = "") -> None:
    """Change the list of what the model is told; a name is in it once."""
    config, key = _config_of(agent), _LISTS[style]
    known = config.pop(key, [])
    name = without if schema is None else _name_of(schema)
    others = [one for one in known if _name_of(one) != name]
    if schema is None and len(others) == len(known):
        raise ConfigError(f"agent {agent.name!r}: its model knows no {style} {name!r}")
    if told := [*others, *([] if schema is None else [schema])]:
        config[key] = told


def _name_of(schema: Mapping[str, Any]) -> str:
    return str(schema.get("function", schema).get("name"))


def _config_of(agent: "ConversableAgent") -> dict[str, Any]:
    if not agent.llm_config:
        raise ConfigError(f"agent {agent.name!r} has no llm_config: nobody there could ask for a tool")
    return agent.llm_config


# --- what an agent runs -----------------------------------------------------------------------------------------------


def register_for_execution(
    agent: "ConversableAgent",
    name: str | None = None,
    *,
    retry_safe: bool | None = None,
    timeout: float | None = None,
    approval: NeedsApproval | None = None,
    approval_expires_in: timedelta | None = None,
) -> Callable[[Callable[..., Any]], Tool]:
    """Decorate a function that this agent runs when another one's model asks for it (see `register_function`)."""

    def register(function: Callable[..., Any]) -> Tool:
        tool = tool_of(
            function,
            name=name,
            retry_safe=retry_safe,
            timeout=timeout,
            approval=approval,
            approval_expires_in=approval_expires_in,
        )
        agent.tools[tool.name] = tool
        return tool

    return register


def register_functions(agent: "ConversableAgent", function_map: Mapping[str, Callable[..., Any] | None]) -> None:
    """Run these functions under these names; None takes a name away."""
    for name, function in function_map.items():
        if function is None:
            agent.tools.pop(name, None)
        else:
            agent.register_for_execution(name)(function)


def can_execute_function(agent: "ConversableAgent", name: list[str] | str) -> bool:
    """Whether this agent runs the function, or all of them."""
    return all(one in agent.tools for one in ([name] if isinstance(name, str) else name))
