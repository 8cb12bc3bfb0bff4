"""How a run or a step fails: what the user reads, what the journal keeps, and what the log has."""

import secrets
from collections.abc import Mapping
from typing import Any, NoReturn

from agentchat.core.log import get_logger
from agentchat.core.secrets import mask
from agentchat.errors import AgentChatError, BudgetExceeded, LLMError, Rejected, StepFailed, error_class_of, text_of
from agentchat.events import RunError
from agentchat.i18n import system_messages
from agentchat.llm.errors import error_again
from agentchat.runs.leases import Claim

logger = get_logger("agentchat.runs")


def run_error(claim: Claim, error: BaseException) -> RunError:
    """What the user reads of a run's failure. The log has the rest under the same id."""
    error_id = secrets.token_hex(4)
    logger.error(
        "run %d of chat session %s (%s) failed [%s]: %s",
        claim.number,
        claim.session_id,
        claim.agent,
        error_id,
        error,
        exc_info=error,
    )
    return system_messages.run_error(error, error_id=error_id)


def recorded_failure(error: AgentChatError) -> dict[str, Any]:
    """How a step failed, as the journal keeps it."""
    details: dict[str, Any] = {}
    if isinstance(error, StepFailed):
        details = {"type": error.type, "message": mask(error.message)}
    elif isinstance(error, BudgetExceeded):
        details = {"renews_at": error.renews_at}
    elif isinstance(error, LLMError) and error.origin:
        details = {"origin": error.origin}
    return {"code": error.code, "error": mask(text_of(error)), **details}


def raise_recorded(failure: Mapping[str, Any]) -> NoReturn:
    """Raise what a step raised in an earlier execution: an error that the same handlers catch."""
    if failure["code"] == StepFailed.code:
        raise StepFailed(failure["type"], failure["message"])
    if failure["code"] == BudgetExceeded.code:
        raise BudgetExceeded(failure["error"], renews_at=failure.get("renews_at", ""))
    known = error_class_of(failure["code"])
    error = (AgentChatError if known is Rejected else known)(failure["error"])
    if isinstance(error, LLMError) and failure.get("origin"):
        raise error_again(error, failure["origin"])
    raise error
