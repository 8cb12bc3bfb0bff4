"""What agents have in common, for those who write one and for those who only meet one."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, Union, runtime_checkable

Message: TypeAlias = dict[str, Any]
"""A message in the shape of OpenAI's chat completions; `tool_responses` is a list of `tool` messages inside one."""

HumanInputMode = Literal["ALWAYS", "TERMINATE", "NEVER"]


@runtime_checkable
class Agent(Protocol):
    """Somebody who can be talked to."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def reply_at_receive(self) -> Mapping["Agent", bool]:
        """Whether it replies to a partner without being asked to."""
        ...

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
"""What an agent answers; None: nothing, the chat is over."""

ReplyFunction: TypeAlias = Callable[..., Any]
"""`(agent, messages=…, sender=…, config=…)` → `(final, reply)`: whether this is the answer, and the answer. May be
async."""

Trigger: TypeAlias = str | type | Agent | Callable[[Agent | None], bool] | Sequence["Trigger"] | None
"""Whose messages a reply function is for: an agent's name, its class, the agent itself, a condition, or some of these.
None stands for messages that come from no agent."""
