"""The tables of the app: `chats.py` has those of chats and their runs."""

from agentchat.models.chats import (
    ChatSession,
    ChatSignal,
    Event,
    Feedback,
    InboxItem,
    OutboxItem,
    RateLimit,
    Run,
    Share,
    Step,
)
from agentchat.models.delegated_question import DelegatedQuestion
from agentchat.models.file import File
from agentchat.models.handover import Handover

__all__ = [
    "ChatSession",
    "ChatSignal",
    "DelegatedQuestion",
    "Event",
    "Feedback",
    "File",
    "Handover",
    "InboxItem",
    "OutboxItem",
    "RateLimit",
    "Run",
    "Share",
    "Step",
]
