"""Running the tools that another agent's model calls.

Two reply functions of every agent run what the message that it answers calls, and reply with the results: one for tool
calls, and one for the older function call. Which tools an agent has is decided in `tool_registration`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agentchat.agents.async_api import call_method, is_overridden, resolve
from agentchat.agents.message_events import calls_of
from agentchat.agents.protocols import Agent, Message, Reply
from agentchat.agents.replying_agent import ReplyingAgent, messages_to_answer
from agentchat.errors import ConfigError
from agentchat.io import IOStream
from agentchat.io.base import send_to
from agentchat.tools.execution import ToolCalls


def tool_calls_reply(agent: ReplyingAgent, messages: list[Message] | None, sender: Agent | None) -> tuple[bool, Reply]:
    """Run the tool calls of the last message, if it has any; reply with their results. Blocks until all are done."""
    if not (calls := messages_to_answer(agent, messages, sender)[-1].get("tool_calls")):
        return False, None
    _check_known(agent, calls)
    results = _tool_calls(agent, calls, sender, execute=_own_execution(agent)).run(agent._agentchat.tools)
    content = "\n\n".join(results)
    return True, {"role": "tool", "tool_responses": _tool_responses(calls, results), "content": content}


def function_call_reply(
    agent: ReplyingAgent, messages: list[Message] | None, sender: Agent | None
) -> tuple[bool, Reply]:
    """Run the function call of the last message, if it has one; reply with its result."""
    if not (function := messages_to_answer(agent, messages, sender)[-1].get("function_call")):
        return False, None
    calls = calls_of({"function_call": function})
    _check_known(agent, calls)
    [result] = _tool_calls(agent, calls, sender, execute=_own_execution(agent)).run(agent._agentchat.tools)
    return True, _function_response(function["name"], result)


def _check_known(agent: ReplyingAgent, calls: Sequence[Message]) -> None:
    """Raise ConfigError for a tool that a colleague approves, and whose arguments the calling agent has shown."""
    for call in calls:
        tool = agent._agentchat.tools.get(call["function"]["name"])
        if tool is not None and tool.delegation and tool.visible != "all" and not tool.is_known_to_model:
            raise ConfigError(
                f"tool {tool.name!r} has to=, so its arguments must not be shown, but the agent that calls it does not "
                f"know: use register_function(), or decorate what register_for_llm() has returned"
            )


def run_function(agent: ReplyingAgent, func_call: Mapping[str, Any], *, verbose: bool) -> tuple[bool, Message]:
    """Run one call, `{"name": …, "arguments": <JSON>}`, and emit nothing.

    Return whether it succeeded, and the result as a message of the role "function". `verbose` prints both.
    """
    calls = calls_of({"function_call": func_call})
    [result] = _tool_calls(agent, calls, None, silent=True).run(agent._agentchat.tools)
    if verbose:
        IOStream.get_default().print(f"\nInput arguments: {func_call.get('arguments')}\nOutput:\n{result}", flush=True)
    return not result.startswith("Error: "), _function_response(func_call["name"], result)


def interrupted_calls(agent: ReplyingAgent, message: Message, sender: Agent | None) -> list[Message]:
    """The results of a message's calls that are not run, because the user has typed something else."""
    calls = calls_of(message)
    if not calls:
        return []
    results = _tool_calls(agent, calls, sender).refuse("USER INTERRUPTED", agent._agentchat.tools)
    count = len(message.get("tool_calls") or ())
    functions = [
        _function_response(call["function"]["name"], result)
        for call, result in zip(calls[count:], results[count:], strict=True)
    ]
    return [*_tool_responses(calls[:count], results[:count]), *functions]


def _own_execution(agent: ReplyingAgent) -> Callable[[Mapping[str, Any]], Any] | None:
    """The `execute_function` that the agent's class has overridden, or that was set on the agent; None for ours."""
    if not is_overridden(agent, "execute_function"):
        return None
    return lambda function: resolve(call_method(agent, "execute_function", function))


def _tool_calls(
    agent: ReplyingAgent,
    calls: Sequence[Message],
    sender: Agent | None,
    *,
    silent: bool | None = None,
    execute: Callable[[Mapping[str, Any]], Any] | None = None,
) -> ToolCalls:
    """The calls, to be run or refused by this agent. `silent` is as the chat with the sender, unless it is given."""
    stream = IOStream.get_default()
    return ToolCalls(
        calls=calls,
        stream=stream,
        send=lambda event: send_to(stream, event),
        by=agent.name,
        to="" if sender is None else sender.name,
        silent=agent._agentchat.emitter.is_silent_with(sender) if silent is None else silent,
        execute=execute,
    )


def _tool_responses(calls: Sequence[Message], results: Sequence[str]) -> list[Message]:
    """The results as models take them: one message for each call."""
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": result}
        for call, result in zip(calls, results, strict=True)
    ]


def _function_response(name: str, result: str) -> Message:
    return {"role": "function", "name": name, "content": result}
