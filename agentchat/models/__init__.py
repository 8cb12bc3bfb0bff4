"""The tables of the app: `chats.py` has those of chats and their runs."""

from agentchat.models.budget import BudgetWarning, Pause, UsageBudget, UsageRecord
from agentchat.models.chats import (
    ChatSession,
    ChatSignal,
    Event,
    InboxItem,
    OutboxItem,
    RateLimit,
    Run,
    Share,
    Step,
)
from agentchat.models.delegated_question import DelegatedQuestion
from agentchat.models.feedback import Feedback
from agentchat.models.file import StoredFile
from agentchat.models.handover import Handover
from agentchat.models.pinned_tool import PinnedTool
from agentchat.models.program import ApiKey, ClientThread
from agentchat.models.step_request import StepRequest

__all__ = [
    "ApiKey",
    "BudgetWarning",
    "ChatSession",
    "ChatSignal",
    "ClientThread",
    "DelegatedQuestion",
    "Event",
    "Feedback",
    "Handover",
    "InboxItem",
    "OutboxItem",
    "Pause",
    "PinnedTool",
    "RateLimit",
    "Run",
    "Share",
    "Step",
    "StepRequest",
    "StoredFile",
    "UsageBudget",
    "UsageRecord",
]
