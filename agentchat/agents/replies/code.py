"""Code in a model's answer, which is not run here: the log says so, since AutoGen 0.2 would have run it."""

import re

from agentchat.agents.history import text_of
from agentchat.agents.protocols import Message
from agentchat.agents.replying_agent import ReplyingAgent
from agentchat.core.log import get_logger

logger = get_logger("agentchat.agents")

_BLOCK = re.compile(r"^[ \t]*```[ \t]*(python|py|sh|bash|shell|pwsh|powershell|ps1|javascript|js)[ \t]*$", re.M | re.I)


def warn_of_code(agent: ReplyingAgent, message: Message) -> None:
    """Log once for each agent that the last message, to which it has no other reply, has a block of code in it."""
    parts = agent._agentchat
    if parts.has_warned_of_code or not (block := _BLOCK.search(text_of(message.get("content")))):
        return
    parts.has_warned_of_code = True
    logger.warning(
        "agent %r has received %s code, and code that a model writes is not run here: register the functions that are "
        "needed as tools, with register_function(), or a reply function of your own that runs it in a sandbox",
        agent.name,
        block[1].lower(),
    )
