"""What an agent is made of, apart from what AutoGen 0.2 calls by a name of its own.

All of it is in one attribute, so that subclasses may name theirs as they like (`self.tools`, `self.usage`, …).
"""

from dataclasses import dataclass, field

from agentchat.agents.auto_replies import AutoReplies
from agentchat.agents.emitter import EventEmitter
from agentchat.agents.hooks import Hooks
from agentchat.agents.replies.registry import ReplyFunctions
from agentchat.events import Visibility
from agentchat.llm.usage import UsageTotals
from agentchat.tools import Tool


@dataclass(kw_only=True)
class AgentParts:
    """The parts of one agent. `human_input` is what the user has typed in this chat.

    `visible`: what users see of the tools that its model calls, where the tools say so.
    """

    emitter: EventEmitter
    auto_replies: AutoReplies
    tools: dict[str, Tool] = field(default_factory=dict)
    visible: dict[str, Visibility] = field(default_factory=dict)
    usage: UsageTotals = field(default_factory=UsageTotals)
    replies: ReplyFunctions = field(default_factory=ReplyFunctions)
    hooks: Hooks = field(default_factory=Hooks)
    human_input: list[str] = field(default_factory=list)
    chats_started: int = 0
    has_warned_of_code: bool = False
