"""Agents that ask no user."""

from typing import Any

from agentchat import ConversableAgent


def never(name: str, reply: str = "", **more: Any) -> ConversableAgent:
    """An agent with one reply to everything."""
    return ConversableAgent(name, human_input_mode="NEVER", default_auto_reply=reply, **more)
