"""The shapes that agents share: messages, replies, and the public protocol `Agent`."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias, Union, runtime_checkable

Message: TypeAlias = dict[str, Any]
"""A message in the shape of OpenAI's chat completions; `tool_responses` is a list of `tool` messages inside one."""

HumanInputMode = Literal["ALWAYS", "TERMINATE", "NEVER"]


@runtime_checkable
class Agent(Protocol):
    """What can take part in a chat. `ConversableAgent` is one; another class may be too."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    def send(
        self, message: Message | str, recipient: "Agent", request_reply: bool | None = None, silent: bool = False
    ) -> None: ...

    def receive(
        self, message: Message | str, sender: "Agent", request_reply: bool | None = None, silent: bool = False
    ) -> None: ...

    def generate_reply(
        self, messages: list[Message] | None = None, sender: Union["Agent", None] = None, **kwargs: Any
    ) -> Message | str | None: ...


Reply: TypeAlias = Message | str | None
"""What an agent replies; None: nothing, the chat is over."""

ReplyFunction: TypeAlias = Callable[..., Any]
"""`(agent, messages=…, sender=…, config=…)` → `(final, reply)`: whether the reply is final, and the reply. It may be
async."""

Trigger: TypeAlias = str | type | Agent | Callable[[Agent | None], bool] | Sequence["Trigger"] | None
"""Whose messages a reply function is for: an agent's name, its class, the agent itself, a condition, or some of these.
None stands for messages that come from no agent."""
