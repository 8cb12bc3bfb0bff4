"""`reply`: an agent answers its user, with the chat so far in mind and with tools, and that is all.

The classic way makes two agents that talk until one says a word; this is the short one, for an agent that talks with a
person. It uses the same model calls and tools, so they are recorded in the same way.
"""

from collections.abc import Callable, Sequence
from typing import Any

from agentchat.agents.conversable import ConversableAgent
from agentchat.agents.history import for_model, render_messages
from agentchat.agents.openai_wrapper import OpenAIWrapper
from agentchat.agents.protocols import Message
from agentchat.errors import ConfigError
from agentchat.io.base import IOStream, send_to
from agentchat.llm.response import ModelResponse
from agentchat.tools import Tool, tool_of
from agentchat.tools.execution import ToolCalls


def reply(
    iostream: IOStream,
    agent: ConversableAgent,
    tools: Sequence[Callable[..., Any]] = (),
    *,
    history: bool = True,
    max_turns: int = 8,
) -> str:
    """Let the agent answer what the user has said last; return the answer, which is shown while it is written.

    With `history` the model reads what was said in this chat before: in earlier runs, and in this one by `input()`,
    `reply()` and `iostream.post()`. `tools` are functions, or tools of `agent.register_for_execution`; the agent's own
    are there as well. The model may call them until it answers, `max_turns` times at most; then it has to answer
    without. Blocks until the answer is there, or unwinds the agent function. Raise LLMError if no model answers, and
    ConfigError for an agent without a model, or if the user has said nothing yet.
    """
    if agent.client is None:
        raise ConfigError(f"agent {agent.name!r} has no llm_config, so it cannot reply: give it llm_config()")
    said = iostream.said
    if not said:
        raise ConfigError("there is nothing to reply to: call iostream.input() first")
    usable = {tool.name: tool for tool in (*agent._agentchat.tools.values(), *map(tool_of, tools))}
    before: list[Message] = [*iostream.history, *said] if history else _last_words(said)
    called: list[Message] = []
    for turn in range(max_turns + 1):
        offered = usable.values() if turn < max_turns else ()
        response = _ask(agent, agent.client.with_tools([tool.schema() for tool in offered]), before, called, usable)
        if not response.calls or turn == max_turns:
            iostream.remember("assistant", response.content)
            return response.content
        called += _with_results(iostream, agent, response, usable)
    raise AssertionError("never reached")


def _ask(
    agent: ConversableAgent,
    client: OpenAIWrapper,
    before: Sequence[Message],
    called: Sequence[Message],
    tools: dict[str, Tool],
) -> ModelResponse:
    """The model's answer to what was said before, and to the tools that it has called since."""
    system = [{"role": "system", "content": agent.system_message}] if agent.system_message else []

    def asked() -> list[Message]:
        said = [{"role": each["role"], "content": each["content"]} for each in before]
        return render_messages([*system, *said, *for_model(called)], None, client.formats_texts)

    visible = {name: tool.visible for name, tool in tools.items() if tool.visible}
    return client.ask(asked, name=agent.name, to="", silent=bool(agent.silent), visible=visible)


def _with_results(
    iostream: IOStream, agent: ConversableAgent, response: ModelResponse, tools: dict[str, Tool]
) -> list[Message]:
    """The model's calls as a message, and the results of the calls."""
    asked = {"role": "assistant", **response.message()}
    calls = asked["tool_calls"]
    results = ToolCalls(
        calls=calls,
        stream=iostream,
        send=lambda event: send_to(iostream, event),
        by=agent.name,
        to=agent.name,
        silent=bool(agent.silent),
    ).run(tools)
    return [
        asked,
        *(
            {"role": "tool", "tool_call_id": call["id"], "content": result}
            for call, result in zip(calls, results, strict=True)
        ),
    ]


def _last_words(said: Sequence[Message]) -> list[Message]:
    """What the user has said since the last answer."""
    last = max((n for n, each in enumerate(said) if each["role"] == "assistant"), default=-1)
    return list(said[last + 1 :]) or list(said[-1:])
