"""How developers learn of what their agent functions do wrong, and users do not see: in the log, and under DEBUG."""

import warnings
from uuid import UUID

from agentchat.core.log import get_logger
from agentchat.errors import LostMemoryWarning
from agentchat.events import ChatStalled, DeveloperWarning, LostMemory

logger = get_logger("agentchat.runs")


def warn_developer(event: DeveloperWarning, session_id: UUID, *, is_in_test: bool) -> str:
    """Log it; in a test, give a Python warning of lost memory. Return it as a line for the page of a developer."""
    match event:
        case LostMemory():
            text = _lost_memory(event)
        case ChatStalled():
            text = event.text
        case _:
            text = repr(event)
    logger.warning("chat session %s: %s", session_id, text)
    if is_in_test and isinstance(event, LostMemory):
        warnings.warn(LostMemoryWarning(text), stacklevel=2)
    return f"Only while DEBUG is set: {text}."


def _lost_memory(event: LostMemory) -> str:
    return (
        f"tool {event.tool!r} has changed {' and '.join(event.variables)}, which its agent function has in memory. A "
        f"recorded tool is not called again, so after a wait or a restart the change is missing. Keep it in "
        f"iostream.state, or register a tool that does nothing else with replay=True"
    )
