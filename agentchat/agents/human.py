"""Is the chat over, and does the person want a word?

The first reply function of every agent. What `human_input_mode` means:

    ALWAYS      the person is asked before each reply; an empty answer lets the agent reply itself
    TERMINATE   the person is asked at a termination message, and when the agent has replied itself too often
    NEVER       nobody is asked: the chat ends where TERMINATE would ask

"exit" ends the chat; so does an empty answer to a termination message. What the person types is the reply; if tool
calls were pending, they are answered with "USER INTERRUPTED" and not run.
"""

from collections import Counter
from typing import TYPE_CHECKING, Any

from agentchat.agents.base import Agent, Message, Reply
from agentchat.agents.tool_calls import interrupted
from agentchat.agents.twins import called
from agentchat.events import Notice

if TYPE_CHECKING:
    from agentchat.agents.conversable import ConversableAgent

_END = "exit"


class AutoReplies:
    """How often in a row an agent has replied to each partner by itself, and how often it may."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._limits: dict[Agent | None, int] = {}
        self._counts: Counter[Agent | None] = Counter()

    def limit(self, partner: Agent | None = None) -> int:
        return self._limits.get(partner, self._limit)

    def set_limit(self, limit: int, partner: Agent | None = None) -> None:
        """Set the limit for one partner, or for all."""
        if partner is None:
            self._limit = limit
            self._limits.clear()
        else:
            self._limits[partner] = limit

    def exhausted(self, partner: Agent | None) -> bool:
        return self._counts[partner] >= self.limit(partner)

    def count(self, partner: Agent | None) -> None:
        self._counts[partner] += 1

    def reset(self, partner: Agent | None) -> None:
        self._counts[partner] = 0

    def reset_all(self) -> None:
        self._counts.clear()


def check_termination_and_human_reply(
    agent: "ConversableAgent", messages: list[Message] | None = None, sender: Agent | None = None, config: Any = None
) -> tuple[bool, Reply]:
    """End the chat, or give the person's words as the reply, or let the next reply function answer."""
    message = (agent.messages_with(sender) if messages is None else messages)[-1]
    words = _words(agent, message, sender)
    # An agent that may never reply itself has only its person's words, even empty ones.
    if words or agent.auto_replies.limit(sender) == 0:
        agent.auto_replies.reset(sender)
        return True, None if words == _END else _in_their_words(agent, words, message, sender)
    agent.auto_replies.count(sender)
    if agent.human_input_mode != "NEVER":
        agent.tell(Notice(text=">>>>>>>> USING AUTO REPLY..."), to=sender)
    return False, None


def _words(agent: "ConversableAgent", message: Message, sender: Agent | None) -> str:
    """What the person says: "exit" for the end, "" if they leave the reply to the agent or are not asked."""
    over = agent.is_termination_msg(message)
    exhausted = agent.auto_replies.exhausted(sender)
    other = "the sender" if sender is None else sender.name
    if agent.human_input_mode == "ALWAYS":
        prompt = (
            f"Replying as {agent.name}. Provide feedback to {other}. Press enter to skip and use auto-reply, "
            f"or type 'exit' to end the conversation: "
        )
    elif not over and not exhausted:
        return ""
    elif agent.human_input_mode == "NEVER":
        return _END
    else:
        skip = "" if over else " to skip and use auto-reply,"
        prompt = f"Please give feedback to {other}. Press enter{skip} or type 'exit' to stop the conversation: "
    words: str = called(agent, "get_human_input", prompt)
    if not words:
        agent.tell(Notice(text=">>>>>>>> NO HUMAN INPUT RECEIVED."), to=sender)
    return words or (_END if over else "")


def _in_their_words(agent: "ConversableAgent", words: str, message: Message, sender: Agent | None) -> Message:
    reply: Message = {"role": "user", "content": words}
    if responses := interrupted(agent, message, sender):
        reply["tool_responses"] = responses
    return reply
