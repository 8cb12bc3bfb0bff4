"""One chat between two agents, from its first message to its result."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from agentchat.agents.base import Agent, Message
from agentchat.agents.history import for_model, text_of
from agentchat.agents.model import ask
from agentchat.errors import ConfigError
from agentchat.llm.usage import Totals

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent

Opening: TypeAlias = Message | str | list[Message] | Callable[..., Message | str] | None
"""How a chat begins: a message, several (all but the last were said before), a function of (sender, recipient, context)
that gives one, or None: the person is asked for it."""

SummaryMethod: TypeAlias = str | Callable[..., Any] | None
"""How it is summed up: "last_msg", "reflection_with_llm", a function of (sender, recipient, args); None: not at all."""

_REFLECTION = "Summarise what came of the conversation. Leave out greetings and thanks; answer with the summary alone."


@dataclass(frozen=True, kw_only=True)
class ChatResult:
    """What came of a chat."""

    chat_id: int
    """1 for the first chat that an agent began, and so on."""
    chat_history: list[Message]
    """What was said, as the agent that began remembers it: its own words have the role "assistant"."""
    summary: Any
    """What the summary method made of it; "" without one."""
    cost: dict[str, dict[str, Any]]
    """What both agents have used so far, by model: `usage_including_cached_inference`, `usage_excluding_…`."""
    human_input: list[str]
    """What the person typed."""


def converse(speaker: Agent, listener: Agent, *, silent: bool, replies: int | None = None) -> None:
    """Let `speaker` reply to `listener`, and so on in turn, until one has nothing to say.

    They make at most `replies` replies; without a number they go on while the listener wants to reply in its turn
    (`reply_at_receive`). Iterates: a chat may be of any length.
    """
    for number in itertools.count(1):
        reply = speaker.generate_reply(sender=listener)
        if reply is None:
            return
        speaker.send(reply, listener, request_reply=False, silent=silent)
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


def check_summary_method(method: SummaryMethod, sender: "ConversableAgent", recipient: "ConversableAgent") -> None:
    """Raise ConfigError if a chat could not be summed up in the end."""
    if not (method is None or callable(method) or method in ("last_msg", "reflection_with_llm")):
        raise ConfigError(f"summary_method {method!r}: give 'last_msg', 'reflection_with_llm', a function or None")
    if method == "reflection_with_llm" and not (recipient.llm_config or sender.llm_config):
        raise ConfigError("summary_method 'reflection_with_llm' needs an llm_config on one of the two agents")


def summarise(
    method: SummaryMethod, args: Mapping[str, Any], sender: "ConversableAgent", recipient: "ConversableAgent"
) -> Any:
    """What came of the chat that `sender` began."""
    if callable(method):
        return method(sender, recipient, dict(args))
    if method == "last_msg":
        return text_of(recipient.last_message(sender)["content"]).replace("TERMINATE", "")
    if method == "reflection_with_llm":
        return _reflect(args, sender, recipient)
    return ""


def _reflect(args: Mapping[str, Any], sender: "ConversableAgent", recipient: "ConversableAgent") -> str:
    thinker = recipient if recipient.llm_config else sender
    prompt = {"role": args.get("summary_role") or "system", "content": args.get("summary_prompt") or _REFLECTION}
    messages = [*for_model(recipient.messages_with(sender)), prompt]
    reply = ask(messages, llm_config=thinker.llm_config or {}, name=thinker.name, to="", silent=True)
    thinker.spent.add(reply)
    return reply.content


def cost_of(agents: Iterable["ConversableAgent"]) -> dict[str, dict[str, Any]]:
    """What the agents have used so far. Nothing comes from a cache, so both numbers are the same."""
    spent = sum((agent.spent for agent in agents), Totals())
    return {f"usage_{cached}_cached_inference": spent.as_dict() for cached in ("including", "excluding")}
