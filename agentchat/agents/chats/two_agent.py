"""One chat between two agents: its turns, and its result."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentchat.agents.async_api import call_method
from agentchat.agents.chats.repeated_replies import RepeatedReplies
from agentchat.agents.protocols import Agent, Message
from agentchat.agents.replying_agent import ReplyingAgent


@dataclass
class ChatResult:
    """What came of a chat."""

    chat_id: int | None = None
    """1 for the first chat that an agent started, and so on; or the one that a queue gives it."""
    chat_history: list[Message] = field(default_factory=list)
    """The messages as the agent that started the chat remembers them: its own have the role "assistant"."""
    summary: Any = None
    """What the summary method made of it; "" without one."""
    cost: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What both agents have used so far, by model: `usage_including_cached_inference`, `usage_excluding_…`."""
    human_input: list[str] = field(default_factory=list)
    """What the user typed."""


def converse(speaker: Agent, listener: Agent, *, silent: bool, replies: int | None = None) -> None:
    """Let `speaker` reply to `listener`, and so on in turn, until one has nothing to say.

    They make at most `replies` replies; without a number they go on while the listener wants to reply in its turn
    (`reply_at_receive`), and not just repeat themselves. Iterates: a chat may be of any length.
    """
    watch = RepeatedReplies(speaker, listener) if replies is None else None
    for number in itertools.count(1):
        reply = call_method(speaker, "generate_reply", sender=listener)
        if reply is None:
            return
        call_method(speaker, "send", reply, listener, request_reply=False, silent=silent)
        if number == replies or (replies is None and not _replies_to(speaker, listener)):
            return
        if watch is not None and watch.leads_nowhere(speaker, reply):
            return
        speaker, listener = listener, speaker


def _replies_to(speaker: Agent, listener: Agent) -> bool:
    """Whether the listener replies without being requested to. An agent of a program's own may not say."""
    at_receive: Mapping[Agent, bool] = getattr(listener, "reply_at_receive", {})
    return at_receive.get(speaker, False)


def recall(messages: Sequence[Message], *, sender: ReplyingAgent, recipient: ReplyingAgent) -> None:
    """Let both agents remember earlier messages.

    Roles are the recipient's view: "assistant" is the recipient itself, unless the name is the sender's.
    """
    for message in messages:
        by_recipient = message.get("role") == "assistant" and message.get("name") != sender.name
        speaker = recipient.name if by_recipient else sender.name
        roles = ("user", "assistant") if by_recipient else ("assistant", "user")
        sender.chat_messages.add(message, partner=recipient, role=roles[0], speaker=speaker)
        recipient.chat_messages.add(message, partner=sender, role=roles[1], speaker=speaker)
