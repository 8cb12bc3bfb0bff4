"""Tools between two agents: the caller's model asks for them, the executor runs them.

Two reply functions of every agent run what the message that it answers calls, and reply with the results: one for tool
calls, and one for the older function call. Which tools an agent has is `registering`'s affair.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agentchat.agents.base import Agent, Message, Reply
from agentchat.agents.telling import calls_of
from agentchat.agents.twins import calling_tools
from agentchat.io import IOStream

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent


def generate_tool_calls_reply(
    agent: "ConversableAgent", messages: list[Message] | None = None, sender: Agent | None = None, config: Any = None
) -> tuple[bool, Reply]:
    """Run the tool calls of the last message, if it has any; reply with their results. Blocks until all are done."""
    message = (agent.messages_with(sender) if messages is None else messages)[-1]
    if not (calls := message.get("tool_calls")):
        return False, None
    results = _results(agent, calls, sender)
    content = "\n\n".join(results)
    return True, {"role": "tool", "tool_responses": tool_responses(calls, results), "content": content}


def generate_function_call_reply(
    agent: "ConversableAgent", messages: list[Message] | None = None, sender: Agent | None = None, config: Any = None
) -> tuple[bool, Reply]:
    """Run the function call of the last message, if it has one; reply with its result."""
    message = (agent.messages_with(sender) if messages is None else messages)[-1]
    if not (function := message.get("function_call")):
        return False, None
    [result] = _results(agent, calls_of({"function_call": function}), sender)
    return True, {"role": "function", "name": function["name"], "content": result}


def execute_function(
    agent: "ConversableAgent", func_call: Mapping[str, Any], verbose: bool = False
) -> tuple[bool, dict[str, Any]]:
    """Run one call, `{"name": …, "arguments": <JSON>}`, and tell nobody. Return whether it went well, and the result as
    a message of the role "function". `verbose` prints both."""
    with calling_tools():
        calls = replace(agent.answering(calls_of({"function_call": func_call}), None), silent=True)
        [result] = calls.run(agent.tools)
    if verbose:
        IOStream.get_default().print(f"\nInput arguments: {func_call.get('arguments')}\nOutput:\n{result}", flush=True)
    return not result.startswith("Error: "), {"name": func_call["name"], "role": "function", "content": result}


def interrupted(agent: "ConversableAgent", message: Message, sender: Agent | None) -> list[Message]:
    """The results of a message's calls that nobody runs: the person has said something else."""
    calls = calls_of(message)
    if not calls:
        return []
    results = agent.answering(calls, sender).refuse("USER INTERRUPTED")
    called = len(message.get("tool_calls") or ())
    functions = [
        {"role": "function", "name": call["function"]["name"], "content": result}
        for call, result in zip(calls[called:], results[called:], strict=True)
    ]
    return [*tool_responses(calls[:called], results[:called]), *functions]


def tool_responses(calls: Sequence[Message], results: Sequence[str]) -> list[Message]:
    """The results as models take them: one message for each call."""
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": result}
        for call, result in zip(calls, results, strict=True)
    ]


def _results(agent: "ConversableAgent", calls: Sequence[Message], sender: Agent | None) -> list[str]:
    with calling_tools():
        return agent.answering(calls, sender).run(agent.tools)
