"""Agents: who talks, and what they answer. The classic (AutoGen 0.2) classes, for consoles, servers and runs alike.

    conversable.py    the agent: what it is, sending, receiving, replying
    user_proxy.py     the agent that stands for the person
    assistant.py      the agent that solves a task with a model
    chat.py           one chat between two agents, from its first message to its result
    replies.py        which reply functions are asked, and in which order
    human.py          the first of them: is it over, and does the person want a word?
    tool_calls.py     the second: tools that the other agent's model asked for; and registering tools
    model.py          the third: asking the model
    history.py        what was said, as each agent remembers it
    telling.py        what is said to whoever listens
    base.py           the protocols and shapes that these share

Agents join `io`, `llm` and `tools`, which do not know one another.
"""

from agentchat.agents.assistant import AssistantAgent
from agentchat.agents.base import Agent, Message
from agentchat.agents.chat import ChatResult
from agentchat.agents.conversable import ConversableAgent
from agentchat.agents.tool_calls import register_function
from agentchat.agents.user_proxy import UserProxyAgent

__all__ = [
    "Agent",
    "AssistantAgent",
    "ChatResult",
    "ConversableAgent",
    "Message",
    "UserProxyAgent",
    "register_function",
]
