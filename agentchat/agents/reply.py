"""`reply`: an agent answers its user, with the chat so far in mind and with tools, and that is all.

The classic way makes two agents that talk until one says a word; this is the short one, for an agent that talks with a
person. It uses the same model calls and tools, so they are recorded in the same way.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from pydantic import BaseModel

from agentchat.agents.answering import answer, result_of
from agentchat.agents.conversable import ConversableAgent
from agentchat.agents.reply_history import HistoryChoice, check_history, messages_to_read
from agentchat.errors import ConfigError
from agentchat.io.base import IOStream
from agentchat.llm.results import result_format

M = TypeVar("M", bound=BaseModel)
Tools = Sequence[Callable[..., Any]]


@overload
def reply(
    iostream: IOStream, agent: ConversableAgent, tools: Tools = (), *, history: HistoryChoice = True, max_turns: int = 8
) -> str: ...


@overload
def reply(
    iostream: IOStream,
    agent: ConversableAgent,
    tools: Tools = (),
    *,
    history: HistoryChoice = True,
    max_turns: int = 8,
    result: type[M],
) -> M: ...


def reply(
    iostream: IOStream,
    agent: ConversableAgent,
    tools: Tools = (),
    *,
    history: HistoryChoice = True,
    max_turns: int = 8,
    result: type[M] | None = None,
) -> str | M:
    """Let the agent answer what the user has said last; return the answer, which is shown while it is written.

    With `history` the model reads what was said in this chat before: in earlier runs, and in this one by `input()`,
    `reply()` and `iostream.post()`. A number is how many messages of that it reads, the newest; with "summary" it reads
    a summary of the older ones, for which it is asked once in a while. `tools` are functions, or tools of
    `agent.register_for_execution`; the agent's own are there as well. The model may call them until it answers,
    `max_turns` times at most; then it has to answer without. With a `result`, a pydantic model, the answer is an
    instance of it, and its fields, or what its method `format` returns, are shown. Blocks until the answer is there, or
    unwinds the agent function. Raise LLMError if no model answers, LLMResultInvalid or LLMDeclined if none gives such a
    result, and ConfigError for an agent without a model, or if the user has said nothing yet.
    """
    check_history(history)
    said = iostream.said
    if not said:
        raise ConfigError("there is nothing to reply to: call iostream.input() first")
    wanted = None if result is None else result_format(result)
    messages = messages_to_read(history, agent, iostream, said)
    response = answer(agent, iostream, messages, tools, max_turns=max_turns, silent=bool(agent.silent), result=wanted)
    if wanted is None:
        iostream.remember("assistant", response.content)
        return response.content
    instance = result_of(agent, response, wanted)
    iostream.remember("assistant", wanted.text_of(response.content))
    return instance
