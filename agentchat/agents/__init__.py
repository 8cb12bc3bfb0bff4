"""Agents, and their chats. The classic (AutoGen 0.2) classes, for consoles, servers and runs alike.

    conversable.py        the agent: what it is made of, sending, receiving, replying
    user_proxy.py         the agent that represents the user
    assistant.py          the agent that solves a task with a model
    chats/                the chats that an agent starts: their first messages, turns and results
    replies/              the reply functions, and which of them are asked in which order
    group/                several agents in one chat, and their manager
    tool_registration.py  which tools there are
    hooks.py              functions that change received and sent messages
    async_api.py          the same methods, awaited
    openai_wrapper.py     a config list that can be asked, with or without an agent
    llm_step.py           asking a model, as a step
    emitter.py            what an agent emits to its stream
    message_events.py     messages as events
    history.py            the messages, as each agent remembers them
    auto_replies.py       how often in a row an agent may reply by itself
    classic_names.py      names with an underscore that AutoGen 0.2 has, and programs use
    parts.py              what an agent is made of, in one attribute
    replying_agent.py     the protocol that reply functions and chats need of an agent
    protocols.py          the shapes that all of these share

Agents join `io`, `llm` and `tools`, which do not know one another.
"""

from agentchat.agents.assistant import AssistantAgent
from agentchat.agents.chats.sequence import a_initiate_chats, initiate_chats
from agentchat.agents.chats.summary import gather_usage_summary
from agentchat.agents.chats.two_agent import ChatResult
from agentchat.agents.conversable import ConversableAgent
from agentchat.agents.group.groupchat import GroupChat
from agentchat.agents.group.manager import GroupChatManager
from agentchat.agents.openai_wrapper import OpenAIWrapper
from agentchat.agents.protocols import Agent, Message
from agentchat.agents.tool_registration import register_function
from agentchat.agents.user_proxy import UserProxyAgent

__all__ = [
    "Agent",
    "AssistantAgent",
    "ChatResult",
    "ConversableAgent",
    "GroupChat",
    "GroupChatManager",
    "Message",
    "OpenAIWrapper",
    "UserProxyAgent",
    "a_initiate_chats",
    "gather_usage_summary",
    "initiate_chats",
    "register_function",
]
