"""Whether two agents only repeat themselves: a chat that nobody ends would ask a model a hundred times.

It does when one of them has replied nothing three times in a row, or when both have said the same three times. Where
the program itself has set an end (`max_turns`, `max_consecutive_auto_reply`), or the user is asked at each turn, that
decides, and nothing is watched.
"""

from collections import deque

from agentchat.agents.history import as_message, text_of
from agentchat.agents.parts import AgentParts
from agentchat.agents.protocols import Agent, Message
from agentchat.events import ChatStalled

REPEATS = 3


class RepeatedReplies:
    """The last replies of a chat between two agents."""

    def __init__(self, *agents: Agent) -> None:
        self._is_watching = all(_is_unlimited(agent) for agent in agents)
        self._texts: deque[str | None] = deque(maxlen=2 * REPEATS)

    def leads_nowhere(self, speaker: Agent, reply: Message | str) -> bool:
        """Take the next reply; whether the chat should end after it. An event says why."""
        if not self._is_watching:
            return False
        message = as_message(reply)
        called = message.get("tool_calls") or message.get("function_call") or message.get("tool_responses")
        self._texts.append(None if called else text_of(message.get("content")).strip())
        own, other = list(self._texts)[::-2], list(self._texts)[-2::-2]
        if _are_equal(own) and own[0] == "":
            what = f"{speaker.name} replied nothing {REPEATS} times in a row"
        elif _are_equal(own) and _are_equal(other):
            what = f"both agents said the same {REPEATS} times in a row, {speaker.name}: {own[0]!r:.80}"
        else:
            return False
        text = (
            f"THE CHAT HAS ENDED: {what}. To end it earlier, or later, set is_termination_msg, max_turns or "
            f"max_consecutive_auto_reply; to answer a user, call agentchat.reply()"
        )
        parts: AgentParts = speaker._agentchat  # type: ignore[attr-defined]  # only such agents are watched
        parts.emitter.emit(ChatStalled(text=text), to=None)
        return True


def _are_equal(texts: list[str | None]) -> bool:
    return len(texts) == REPEATS and texts[0] is not None and len(set(texts)) == 1


def _is_unlimited(agent: Agent) -> bool:
    parts = getattr(agent, "_agentchat", None)
    return parts is not None and parts.auto_replies.is_default and getattr(agent, "human_input_mode", "") != "ALWAYS"
