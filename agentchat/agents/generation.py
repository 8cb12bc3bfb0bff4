"""`generate`: what an agent's model says to a text, for code alone. No user sees it."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast, overload

from pydantic import BaseModel

from agentchat.agents.answering import answer, result_of
from agentchat.agents.async_api import async_version
from agentchat.agents.protocols import Message
from agentchat.agents.replying_agent import ReplyingAgent
from agentchat.io import IOStream
from agentchat.llm.results import ResultFormat, result_format

M = TypeVar("M", bound=BaseModel)
Tools = Sequence[Callable[..., Any]]


class Generation:
    """Asking an agent's model without a chat."""

    @overload
    def generate(self, messages: str | Sequence[Message], tools: Tools = (), *, max_turns: int = 8) -> str: ...

    @overload
    def generate(
        self, messages: str | Sequence[Message], tools: Tools = (), *, max_turns: int = 8, result: type[M]
    ) -> M: ...

    def generate(
        self,
        messages: str | Sequence[Message],
        tools: Tools = (),
        *,
        max_turns: int = 8,
        result: type[M] | None = None,
    ) -> str | M:
        """What the model answers to a text, or to messages; with `result` an instance of that pydantic model.

        The model reads the agent's system message and nothing of the chat. Nothing is shown. `tools` and `max_turns` as
        in `agentchat.reply`. In a run this is recorded: a resumed run gets the same answer. Blocks until it is there.
        Raise LLMError if no model answers, LLMResultInvalid or LLMDeclined if none gives such a result.
        """
        wanted: ResultFormat[M] | None = None if result is None else result_format(result)
        asked = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        agent = cast(ReplyingAgent, self)
        stream = IOStream.get_default()
        response = answer(agent, stream, asked, tools, max_turns=max_turns, silent=True, result=wanted)
        return response.content if wanted is None else result_of(agent, response, wanted)

    a_generate = async_version(generate)
