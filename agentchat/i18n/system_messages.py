"""What a run says to users by itself: why it failed, and the questions that no agent asks.

An event stores such a text as a code with parameters, and in English for clients of the protocol. It is translated when
a page or a socket shows it: one chat may have readers in several languages. Text of the site's own (another
`user_message`, a prompt of an agent) has no parameters stored with it, and is shown as it is.

Knows no requests; the language is the active one.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext, gettext_noop, override

from agentchat.core.secrets import mask
from agentchat.errors import AgentChatError, BudgetExceeded, ConfigError, LLMError, error_class_of, text_of
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

# Of errors, where they have parameters; their `user_message` has none.
ERRORS = {
    BudgetExceeded.code: gettext_noop("The budget for this is used up. It renews on %(renews_at)s."),
}


def question(code: str, **params: Any) -> InputRequested:
    """The question with this code, as an event; `request` and the rest are the caller's to fill in."""
    return InputRequested(request="", kind="approval", prompt=QUESTIONS[code] % params, code=code, params=params)


def run_error(error: BaseException, *, error_id: str) -> RunError:
    """How users learn of an error that ended a run. The log has the details under `error_id`; staff see the reason."""
    known = error if isinstance(error, AgentChatError) else AgentChatError()
    is_standard = known.user_message == error_class_of(known.code).user_message
    message = known.user_message
    if is_standard and known.params:
        with override("en"):
            message = _filled(ERRORS[known.code], known.params, message)
    return RunError(
        code=known.code,
        message=message,
        id=error_id,
        params=dict(known.params) if is_standard else None,
        detail=mask(text_of(error))[:MAX_DETAIL_CHARS] if isinstance(error, LLMError | ConfigError) else None,
    )


def translated(payload: Mapping[str, Any], field: str) -> str:
    """The text in this field of an event's payload, in the reader's language."""
    text: str = payload[field]
    params, code = payload.get("params"), payload.get("code")
    if params is None or not isinstance(code, str):
        return text
    known = error_class_of(code)
    standard = (params and ERRORS.get(code)) or known.user_message
    template = QUESTIONS.get(code) or (standard if known.code == code else None)
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
        return template % {name: _shown(name, value) for name, value in params.items()} if params else template
    except (KeyError, TypeError, ValueError):
        return stored


def _shown(name: str, value: Any) -> Any:
    return moment_text(datetime.fromisoformat(value)) if name.endswith("_at") and isinstance(value, str) else value


def moment_text(moment: datetime) -> str:
    """A day and a time of it in the site's TIME_ZONE, in the active language."""
    return date_format(moment.astimezone(timezone.get_default_timezone()), "DATETIME_FORMAT")
