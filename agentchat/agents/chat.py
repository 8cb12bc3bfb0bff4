"""One chat between two agents, from its first message to its result."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentchat.agents import opening, summary
from agentchat.agents.base import Agent, Message
from agentchat.agents.model import using_cache
from agentchat.agents.twins import called
from agentchat.cache import Cache
from agentchat.errors import ConfigError

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent


@dataclass(frozen=True, kw_only=True)
class ChatResult:
    """What came of a chat."""

    chat_id: int
    """1 for the first chat that an agent began, and so on; or the one that a queue gives it."""
    chat_history: list[Message]
    """What was said, as the agent that began remembers it: its own words have the role "assistant"."""
    summary: Any
    """What the summary method made of it; "" without one."""
    cost: dict[str, dict[str, Any]]
    """What both agents have used so far, by model: `usage_including_cached_inference`, `usage_excluding_…`."""
    human_input: list[str]
    """What the person typed."""


def initiate_chat(
    sender: "ConversableAgent",
    /,  # the context may hold any name
    recipient: "ConversableAgent",
    clear_history: bool = True,
    silent: bool | None = False,
    cache: Cache | None = None,
    max_turns: int | None = None,
    summary_method: summary.SummaryMethod = "last_msg",
    summary_args: Mapping[str, Any] | None = None,
    message: opening.Opening = None,
    **context: Any,
) -> ChatResult:
    """Send the first message and let the two talk until the chat ends; blocks until then.

    `message` is the first message, a list of messages of which only the last is new, or a function of (sender,
    recipient, context); None asks the person. `carryover` in the context is added to it. `max_turns` is the number of
    messages that each sends at most. `silent`: nobody hears it. `cache`: what models answer in this chat, and in those
    within it, is asked for once.
    """
    if max_turns is not None and max_turns < 1:
        raise ConfigError(f"initiate_chat(max_turns={max_turns}): a chat has one turn at least")
    summary.check_summary_method(summary_method, sender, recipient)
    number = sender.begin_chat(recipient, clear_history=clear_history, reply_at_receive=max_turns is None)
    if isinstance(message, list):
        *before, message = message or [{}]
        recall(before, sender=sender, recipient=recipient)
    with using_cache(cache):
        first = opening.first_message(message, sender, recipient, context)
        called(sender, "send", first, recipient, request_reply=False, silent=bool(silent))
        replies = None if max_turns is None else 2 * max_turns - 1
        converse(recipient, sender, silent=bool(silent), replies=replies)
        summed_up = summary.summarise(summary_method, summary_args or {}, sender, recipient, cache)
    return ChatResult(
        chat_id=number,
        chat_history=list(sender.chat_messages[recipient]),
        summary=summed_up,
        cost=summary.gather_usage_summary([sender, recipient]),
        human_input=sender.human_input,
    )


def converse(speaker: Agent, listener: Agent, *, silent: bool, replies: int | None = None) -> None:
    """Let `speaker` reply to `listener`, and so on in turn, until one has nothing to say.

    They make at most `replies` replies; without a number they go on while the listener wants to reply in its turn
    (`reply_at_receive`). Iterates: a chat may be of any length.
    """
    for number in itertools.count(1):
        reply = called(speaker, "generate_reply", sender=listener)
        if reply is None:
            return
        called(speaker, "send", reply, listener, request_reply=False, silent=silent)
        if number == replies or (replies is None and not listener.reply_at_receive.get(speaker, False)):
            return
        speaker, listener = listener, speaker


def recall(messages: Sequence[Message], *, sender: "ConversableAgent", recipient: "ConversableAgent") -> None:
    """Let both agents remember messages of before. Roles are the recipient's view: "assistant" is the recipient itself,
    unless the name is the sender's."""
    for message in messages:
        by_recipient = message.get("role") == "assistant" and message.get("name") != sender.name
        speaker = recipient.name if by_recipient else sender.name
        roles = ("user", "assistant") if by_recipient else ("assistant", "user")
        sender.chat_messages.add(message, partner=recipient, role=roles[0], speaker=speaker)
        recipient.chat_messages.add(message, partner=sender, role=roles[1], speaker=speaker)
