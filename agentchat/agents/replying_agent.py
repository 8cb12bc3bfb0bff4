"""What reply functions, chats and group chats need of an agent.

They take this protocol instead of `ConversableAgent`, which implements it: so they do not import the class that is
made of them.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from agentchat.agents.history import Histories
from agentchat.agents.openai_wrapper import OpenAIWrapper
from agentchat.agents.parts import AgentParts
from agentchat.agents.protocols import Agent, HumanInputMode, Message, ReplyFunction, Trigger


class ReplyingAgent(Agent, Protocol):
    """An agent with its memory, its model and its tools."""

    DEFAULT_SUMMARY_PROMPT: ClassVar[str]

    @property
    def _agentchat(self) -> AgentParts: ...

    @property
    def system_message(self) -> str: ...

    @property
    def human_input_mode(self) -> HumanInputMode: ...

    @property
    def is_termination_msg(self) -> Callable[[Message], bool]: ...

    @property
    def chat_messages(self) -> Histories: ...

    @property
    def client(self) -> OpenAIWrapper | None: ...

    def _messages_with(self, partner: Agent | None) -> list[Message]:
        """The history with a partner. Raise SenderRequired without a partner."""
        ...

    def last_message(self, agent: Agent | None = None) -> Message | None: ...

    def chat_messages_for_summary(self, agent: Agent) -> list[Message]: ...

    def _begin_chat_with(self, recipient: "ReplyingAgent", *, clear_history: bool, reply_at_receive: bool) -> int:
        """Get ready for a chat that this agent starts, on both sides; return its number."""
        ...

    def _prepare_for_chat(self, partner: Agent, *, clear_history: bool, reply_at_receive: bool) -> None:
        """Get ready for a new chat with a partner."""
        ...

    def register_reply(
        self,
        trigger: Trigger,
        reply_func: ReplyFunction,
        position: int = 0,
        config: Any = None,
        reset_config: Callable[[Any], None] | None = None,
        *,
        ignore_async_in_sync_chat: bool = False,
    ) -> None: ...


def messages_to_answer(agent: ReplyingAgent, messages: list[Message] | None, sender: Agent | None) -> list[Message]:
    """What a reply function answers: the messages that it was given, else the history with the sender."""
    return agent._messages_with(sender) if messages is None else messages
