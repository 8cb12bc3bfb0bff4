"""Which tools there are: those that an agent's model may call, and those that an agent runs."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal

from agentchat.agents.parts import AgentParts
from agentchat.core.addressees import addressee_of, delegation_of, editable_names
from agentchat.errors import ConfigError
from agentchat.events import Visibility
from agentchat.tools import Tool, as_function, tool_of
from agentchat.tools.client import ClientTool
from agentchat.tools.schema import NeedsApproval

ApiStyle = Literal["tool", "function"]
_CONFIG_KEYS: dict[ApiStyle, str] = {"tool": "tools", "function": "functions"}


class ToolRegistration:
    """The part of `ConversableAgent` that knows tools: its state is the agent's `llm_config` and its parts."""

    name: str
    llm_config: dict[str, Any] | Literal[False]
    _agentchat: AgentParts

    # --- what the agent's model may call ------------------------------------------------------------------------------

    def register_for_llm(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        api_style: ApiStyle = "tool",
        visible: Visibility | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a function that this agent's model may call. The result is a function like it.

        `api_style="function"` uses the older way to call functions, for services that know no other. `visible` as in
        `register_function`.
        """
        self._require_llm_config()
        if api_style not in _CONFIG_KEYS:
            raise ConfigError(f"api_style {api_style!r}: use 'tool' or 'function'")

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            known = tool_of(function, name=name, description=description, visible=visible)
            _check_own(known)
            tool = replace(known, is_known_to_model=True)
            schema = tool.schema()
            self._set_visible(tool)
            self._add_schema(api_style, schema if api_style == "tool" else schema["function"])
            return as_function(tool)

        return register

    def update_tool_signature(self, tool_sig: str | dict[str, Any], is_remove: bool | None) -> None:
        """Add a tool for the model, by its schema in OpenAI's shape; or remove one, by its name or schema."""
        self._update_schema("tool", tool_sig, is_remove)

    def update_function_signature(self, func_sig: str | dict[str, Any], is_remove: bool | None) -> None:
        """The same in the older way of calling functions."""
        self._update_schema("function", func_sig, is_remove)

    def _update_schema(self, style: ApiStyle, signature: str | dict[str, Any], is_remove: bool | None) -> None:
        if is_remove:
            self._remove_schema(style, signature if isinstance(signature, str) else _name_of(signature))
        elif isinstance(signature, dict):
            self._add_schema(style, signature)
        else:
            raise ConfigError(f"the signature {signature!r} must be a dict; a name can only remove one")

    def _add_schema(self, style: ApiStyle, schema: dict[str, Any]) -> None:
        """Add a schema to the `llm_config`, in the place of one that has the same name."""
        config, key = self._require_llm_config(), _CONFIG_KEYS[style]
        others = self._schemas_without(style, _name_of(schema))
        if len(others) < len(config.get(key, ())) and schema not in config[key]:
            _warn_of_overriding(_name_of(schema))
        config[key] = [*others, schema]

    def _remove_schema(self, style: ApiStyle, name: str) -> None:
        config, key = self._require_llm_config(), _CONFIG_KEYS[style]
        others = self._schemas_without(style, name)
        if len(others) == len(config.get(key, ())):
            raise ConfigError(f"agent {self.name!r}: its model has no {style} {name!r}")
        if others:
            config[key] = others
        else:
            del config[key]  # services refuse an empty list

    def _schemas_without(self, style: ApiStyle, name: str) -> list[dict[str, Any]]:
        known = self._require_llm_config().get(_CONFIG_KEYS[style], ())
        return [schema for schema in known if _name_of(schema) != name]

    def _require_llm_config(self) -> dict[str, Any]:
        if not self.llm_config:
            raise ConfigError(f"agent {self.name!r} has no llm_config, so it could never call a tool")
        return self.llm_config

    def _set_visible(self, tool: Tool) -> None:
        if tool.visible is None:
            self._agentchat.visible.pop(tool.name, None)
        else:
            self._agentchat.visible[tool.name] = tool.visible

    # --- what the agent runs ------------------------------------------------------------------------------------------

    def register_for_execution(
        self,
        name: str | None = None,
        *,
        retry_safe: bool | None = None,
        timeout: float | None = None,
        approval: NeedsApproval | None = None,
        approval_expires_in: timedelta | None = None,
        replay: bool | None = None,
        visible: Visibility | None = None,
        to: Any = None,
        shown: bool = False,
        escalate: tuple[timedelta, Any] | None = None,
        editable: bool | Iterable[str] | None = None,
        outcome_unknown_to: Any = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorate a function that this agent runs when another agent's model calls it (see `register_function`)."""
        delegation = delegation_of(to, shown=shown, escalate=escalate)
        if delegation is not None and not approval:
            raise ConfigError("to= says who approves a call: it needs approval=")

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            tool = tool_of(
                function,
                name=name,
                retry_safe=retry_safe,
                timeout=timeout,
                approval=approval,
                approval_expires_in=approval_expires_in,
                replay=replay,
                visible=visible,
                delegation=delegation,
                editable=editable_names(editable),
                outcome_unknown_to=None if outcome_unknown_to is None else addressee_of(outcome_unknown_to),
            )
            _check_own(tool)
            before = self._agentchat.tools.get(tool.name)
            if before is not None and before.function is not tool.function:
                _warn_of_overriding(tool.name)
            self._agentchat.tools[tool.name] = tool
            return as_function(tool)

        return register

    def register_function(self, function_map: Mapping[str, Callable[..., Any] | None]) -> None:
        """Run these functions under these names; None removes a name."""
        for name, function in function_map.items():
            if function is None:
                if self._agentchat.tools.pop(name, None) is None:
                    warnings.warn(f"The function {name} to remove doesn't exist", UserWarning, stacklevel=2)
            else:
                self.register_for_execution(name)(function)

    def can_execute_function(self, name: list[str] | str) -> bool:
        """Whether this agent runs the function, or all of them."""
        return all(one in self._agentchat.tools for one in ([name] if isinstance(name, str) else name))

    @property
    def function_map(self) -> Mapping[str, Callable[..., Any]]:
        """The functions that this agent runs, by the names that models know. Use `register_function` to add some."""
        return MappingProxyType({name: tool.function for name, tool in self._agentchat.tools.items()})


def register_function(
    f: Callable[..., Any],
    *,
    caller: ToolRegistration,
    executor: ToolRegistration,
    name: str | None = None,
    description: str | None = None,
    retry_safe: bool | None = None,
    timeout: float | None = None,
    approval: NeedsApproval | None = None,
    approval_expires_in: timedelta | None = None,
    replay: bool | None = None,
    visible: Visibility | None = None,
    to: Any = None,
    shown: bool = False,
    escalate: tuple[timedelta, Any] | None = None,
    editable: bool | Iterable[str] | None = None,
    outcome_unknown_to: Any = None,
) -> None:
    """Let the caller's model call `f`, and the executor run it. `f` may be async.

    What is None stays as it is, if `f` is a tool already; a plain function is called once and without approval. The
    model sees `name` (else the function's own), `description` (else its docstring's first paragraph) and a schema
    made of the annotations. `retry_safe=True`: `f` may run again if its process died and it is unknown whether it took
    effect. `timeout`: seconds that one call may take, instead of the default. `approval`: whether the user must approve
    each call, or a function of its arguments that says so; the user may change the arguments, or refuse with a reason
    that the model reads. `approval_expires_in`: how long the user may take to answer. `replay=True`: `f` only changes
    what the agent function has in memory. A recorded tool is not called again when a run is resumed; this one is, with
    the same arguments, in the same order, and its recorded result stays. `visible`: what users who are not staff see of
    its calls: "all", the "name", or "none"; by default what the site says, and all of a call that they may have to
    approve.

    `to`: who approves, instead of the user: a permission, `group(name)`, a user, or the path of a function (see
    `core.addressees`). Then users see the name alone by default, unless `shown=True`. `escalate=(after, to)`: after
    that time it is for them instead. `editable`: False, or the names of the arguments that may be changed.
    `outcome_unknown_to`: who is asked whether to make a call again whose outcome is unknown; by default whoever
    approves, else staff().

    Raise ConfigError if `f` cannot be a tool, the caller has no model, or one of these is wrong.
    """
    for argument, agent in (("caller", caller), ("executor", executor)):
        if not isinstance(agent, ToolRegistration):
            raise ConfigError(f"register_function({argument}={agent!r}): use an agent")
    if visible is None and approval:
        delegation = delegation_of(to, shown=shown, escalate=escalate)
        visible = "all" if delegation is None else delegation.visible
    tool = caller.register_for_llm(name=name, description=description, visible=visible)(f)
    executor.register_for_execution(
        retry_safe=retry_safe,
        timeout=timeout,
        approval=approval,
        approval_expires_in=approval_expires_in,
        replay=replay,
        to=to,
        shown=shown,
        escalate=escalate,
        editable=editable,
        outcome_unknown_to=outcome_unknown_to,
    )(tool)


def _check_own(tool: Tool) -> None:
    """A client's tool must not take the place of one of the agent's, whose name it may have."""
    if isinstance(tool, ClientTool):
        raise ConfigError(
            f"tool {tool.name!r} is the client's: it cannot be registered. Use reply(iostream, agent, "
            f"iostream.client_tools)"
        )


def _warn_of_overriding(name: str) -> None:
    warnings.warn(f"Function '{name}' is being overridden.", UserWarning, stacklevel=4)


def _name_of(schema: Mapping[str, Any]) -> str:
    return str(schema.get("function", schema).get("name"))
