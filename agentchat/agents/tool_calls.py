"""Tools between two agents: the caller's model asks for them, the executor runs them.

The second reply function of every agent runs the calls of the message it answers, and replies with their results.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from agentchat.agents.base import Agent, Message, Reply

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent


def generate_tool_calls_reply(
    agent: "ConversableAgent", messages: list[Message] | None = None, sender: Agent | None = None, config: Any = None
) -> tuple[bool, Reply]:
    """Run the tool calls of the last message, if it has any; reply with their results. Blocks until all are done."""
    message = (agent.messages_with(sender) if messages is None else messages)[-1]
    if not (calls := message.get("tool_calls")):
        return False, None
    results = agent.answering(calls, sender).run(agent.tools)
    content = "\n\n".join(results)
    return True, {"role": "tool", "tool_responses": tool_responses(calls, results), "content": content}


def tool_responses(calls: Sequence[Message], results: Sequence[str]) -> list[Message]:
    """The results as models take them: one message for each call."""
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": result}
        for call, result in zip(calls, results, strict=True)
    ]


def register_function(
    f: Callable[..., Any],
    *,
    caller: "ConversableAgent",
    executor: "ConversableAgent",
    name: str | None = None,
    description: str | None = None,
    retry_safe: bool = False,
    timeout: float | None = None,
) -> None:
    """Let the caller's model ask for `f`, and the executor run it. `f` may be async.

    The model sees `name` (else the function's own), `description` (else its docstring's first paragraph) and a schema
    made of the annotations. `retry_safe=True`: `f` may run again if its process died and nobody can know whether it
    took effect. `timeout`: seconds that one call may take, instead of the default. Raise ConfigError if `f` cannot be a
    tool or the caller has no model.
    """
    tool = caller.register_for_llm(name=name, description=description)(f)
    executor.register_for_execution(retry_safe=retry_safe, timeout=timeout)(tool)
