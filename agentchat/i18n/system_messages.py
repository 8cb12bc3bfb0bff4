"""What a run says to users by itself: why it failed, and the questions that no agent asks.

An event stores such a text as a code with parameters, and in English for clients of the protocol. It is translated when
a page or a socket shows it: one chat may have readers in several languages. Text of the site's own (another
`user_message`, a prompt of an agent) has no parameters stored with it, and is shown as it is.

Knows no requests; the language is the active one.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext, gettext_noop

from agentchat.core.secrets import mask
from agentchat.errors import AgentChatError, ConfigError, LLMError, error_class_of, text_of
from agentchat.events import InputRequested, RunError

MAX_DETAIL_CHARS = 1_000

QUESTIONS = {
    "outcome_unknown": gettext_noop(
        "%(tool)s was interrupted and may or may not have finished. Run it again, or skip it?"
    ),
    "outcome_unknown_hidden": gettext_noop(
        "A step was interrupted and may or may not have finished. Run it again, or skip it?"
    ),
    "limit_steps": gettext_noop("Steps taken so far: %(used)d. Continue?"),
    "limit_tokens": gettext_noop("Tokens used so far: %(used)d. Continue?"),
    "limit_cost": gettext_noop("Cost so far: $%(used).2f. Continue?"),
    "limit_seconds": gettext_noop("Running time so far: %(used)d s. Continue?"),
}


def question(code: str, **params: Any) -> InputRequested:
    """The question with this code, as an event; `request` and the rest are the caller's to fill in."""
    return InputRequested(request="", kind="approval", prompt=QUESTIONS[code] % params, code=code, params=params)


def run_error(error: BaseException, *, error_id: str) -> RunError:
    """How users learn of an error that ended a run. The log has the details under `error_id`; staff see the reason."""
    known = error if isinstance(error, AgentChatError) else AgentChatError()
    is_standard = known.user_message == error_class_of(known.code).user_message
    return RunError(
        code=known.code,
        message=known.user_message,
        id=error_id,
        params={} if is_standard else None,
        detail=mask(text_of(error))[:MAX_DETAIL_CHARS] if isinstance(error, LLMError | ConfigError) else None,
    )


def translated(payload: Mapping[str, Any], field: str) -> str:
    """The text in this field of an event's payload, in the reader's language."""
    text: str = payload[field]
    params, code = payload.get("params"), payload.get("code")
    if params is None or not isinstance(code, str):
        return text
    known = error_class_of(code)
    template = QUESTIONS.get(code) or (known.user_message if known.code == code else None)
    return text if template is None else _filled(gettext(template), params, text)


def translated_frame(frame: dict[str, Any]) -> dict[str, Any]:
    """An event on its way to one reader."""
    match frame["type"]:
        case RunError.type:
            return {**frame, "message": translated(frame, "message")}
        case InputRequested.type:
            return {**frame, "prompt": translated(frame, "prompt")}
    return frame


def _filled(template: str, params: Mapping[str, Any], stored: str) -> str:
    """The template with these parameters; what is stored if they are those of another version."""
    try:
        return template % params if params else template
    except (KeyError, TypeError, ValueError):
        return stored
