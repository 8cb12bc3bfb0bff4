"""Agents: who talks, and what they answer. The classic (AutoGen 0.2) classes, for consoles, servers and runs alike.

    conversable.py    the agent: what it is, sending, receiving, replying
    user_proxy.py     the agent that stands for the person
    assistant.py      the agent that solves a task with a model
    chat.py           one chat between two agents, from its first message to its result
    opening.py        its first message, and what is carried over into it
    summary.py        what came of it, and what it cost
    queue.py          several chats, one after another
    nested.py         chats within a chat
    replies.py        which reply functions are asked, and in which order
    human.py          the first of them: is it over, and does the person want a word?
    tool_calls.py     the next: calls that the other agent's model asked for
    model.py          the last: asking the model
    wrapper.py        a config list that can be asked, with or without an agent
    registering.py    which tools there are
    hooks.py          functions that change what is heard and what is said
    twins.py          the same, awaited
    groupchat.py      several agents in one chat: who is in it, what was said, who speaks next
    manager.py        the one whom they all talk to
    transitions.py    who may speak after whom
    speakers.py       the ways to choose who speaks next
    clearing.py       the command "clear history"
    saved_messages.py a group chat as JSON, to go on with later
    history.py        what was said, as each agent remembers it
    telling.py        what is said to whoever listens
    base.py           the protocols and shapes that these share

Agents join `io`, `llm` and `tools`, which do not know one another.
"""

from agentchat.agents.assistant import AssistantAgent
from agentchat.agents.base import Agent, Message
from agentchat.agents.chat import ChatResult
from agentchat.agents.conversable import ConversableAgent
from agentchat.agents.groupchat import GroupChat
from agentchat.agents.manager import GroupChatManager
from agentchat.agents.queue import a_initiate_chats, initiate_chats
from agentchat.agents.registering import register_function
from agentchat.agents.summary import gather_usage_summary
from agentchat.agents.user_proxy import UserProxyAgent
from agentchat.agents.wrapper import OpenAIWrapper

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
