"""An agent answers a conversation: its model, the tools that the model calls, and the model again until it answers.

For `reply`, which shows that to users, and for `generate`, which does not. Each model call and each tool call is a
step, as in the classic chats.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from agentchat.agents.history import for_model, render_messages
from agentchat.agents.openai_wrapper import OpenAIWrapper
from agentchat.agents.protocols import Message
from agentchat.agents.replying_agent import ReplyingAgent
from agentchat.errors import ConfigError, LLMResultInvalid
from agentchat.io.base import IOStream, send_to
from agentchat.llm.response import ModelResponse
from agentchat.llm.results import ResultFormat
from agentchat.tools import Tool, tool_of
from agentchat.tools.client import ClientTool
from agentchat.tools.execution import ToolCalls

M = TypeVar("M", bound=BaseModel)


def answer(
    agent: ReplyingAgent,
    stream: IOStream,
    messages: Sequence[Message],
    tools: Sequence[Callable[..., Any]],
    *,
    max_turns: int,
    silent: bool,
    result: ResultFormat[Any] | None,
) -> ModelResponse:
    """The model's answer to these messages, which is the JSON of the result if one is wanted.

    It may call these tools and the agent's own, `max_turns` times at most; then it has to answer without. Blocks until
    the answer is there. Raise LLMError if no model answers, and ConfigError for an agent without a model.
    """
    if agent.client is None:
        raise ConfigError(f"agent {agent.name!r} has no llm_config, so it cannot reply: give it llm_config()")
    usable = _usable([*agent._agentchat.tools.values(), *map(tool_of, tools)], silent=silent)
    called: list[Message] = []
    for turn in range(max_turns + 1):
        offered = usable.values() if turn < max_turns else ()
        client = agent.client.with_tools([tool.schema() for tool in offered])
        response = _ask(agent, client, messages, called, usable, silent=silent, result=result)
        if not response.calls or turn == max_turns:
            return response
        called += _with_results(agent, stream, response, usable, silent=silent)
    raise AssertionError("never reached")


def _usable(tools: Sequence[Tool], *, silent: bool) -> dict[str, Tool]:
    """The tools by name. Of a client's, only those whose names are free, and none where nobody would see the call."""
    own = {tool.name: tool for tool in tools if not isinstance(tool, ClientTool)}
    clients = () if silent else (tool for tool in tools if isinstance(tool, ClientTool) and tool.name not in own)
    return own | {tool.name: tool for tool in clients}


def result_of(agent: ReplyingAgent, response: ModelResponse, wanted: ResultFormat[M]) -> M:
    """The result in an answer. Raise LLMResultInvalid if the model calls tools to the last, and so gave none."""
    if response.calls:
        raise LLMResultInvalid(f"{agent.name!r} gave no {wanted.name}: its model called tools until none were left")
    return wanted.read(response.content)


def _ask(
    agent: ReplyingAgent,
    client: OpenAIWrapper,
    messages: Sequence[Message],
    called: Sequence[Message],
    tools: dict[str, Tool],
    *,
    silent: bool,
    result: ResultFormat[Any] | None,
) -> ModelResponse:
    """The model's answer to what was said, and to the tools that it has called since."""
    system = [{"role": "system", "content": agent.system_message}] if agent.system_message else []

    def asked() -> list[Message]:
        said = [{"role": each["role"], "content": each["content"]} for each in messages]
        return render_messages([*system, *said, *for_model(called)], None, client.formats_texts)

    visible = {name: tool.visible for name, tool in tools.items() if tool.visible}
    return client.ask(asked, name=agent.name, to="", silent=silent, visible=visible, result=result)


def _with_results(
    agent: ReplyingAgent, stream: IOStream, response: ModelResponse, tools: dict[str, Tool], *, silent: bool
) -> list[Message]:
    """The model's calls as a message, and the results of the calls."""
    asked = {"role": "assistant", **response.message()}
    calls = asked["tool_calls"]
    results = ToolCalls(
        calls=calls,
        stream=stream,
        send=lambda event: send_to(stream, event),
        by=agent.name,
        to=agent.name,
        silent=silent,
    ).run(tools)
    return [
        asked,
        *(
            {"role": "tool", "tool_call_id": call["id"], "content": result}
            for call, result in zip(calls, results, strict=True)
        ),
    ]
