"""Whether an answer fits its question. What does not is rejected, in words, before anything is written.

A question is the payload of its INPUT_REQUESTED. A form and edited arguments are checked against their JSON schema
here, in whatever process the answer comes to; the agent function's own pydantic model has the last word later on.
"""

from datetime import datetime
from typing import Any, Literal

from django.utils import timezone
from django.utils.translation import gettext
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentchat import conf
from agentchat.errors import Rejected

Question = dict[str, Any]


class _Decision(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Literal["approve", "reject"]
    arguments: dict[str, Any] | None = None
    reason: str = Field(default="", max_length=2000)


def check(question: Question, value: Any) -> Any:
    """The answer as it is to be stored. Raise Rejected."""
    if is_expired(question):
        raise Rejected("expired", gettext("This question could be answered until a moment ago, and not any more."))
    kind = question["kind"]
    if kind == "text":
        return _text(value)
    if kind == "approval":
        return _decision(question, value)
    _check_schema(question["schema"], value)
    return value


def is_expired(question: Question) -> bool:
    until = question.get("expiresAt")
    return until is not None and datetime.fromisoformat(until) <= timezone.now()


def check_length(text: str) -> None:
    limit = conf.app.max_message_chars
    if len(text) > limit:
        message = gettext("This message has %(length)d characters; %(limit)d are the most that can be sent.")
        raise Rejected("too_long", message % {"length": len(text), "limit": limit})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Rejected("invalid", gettext("The answer to this question is a text."))
    check_length(value)
    return value


def _decision(question: Question, value: Any) -> dict[str, Any]:
    try:
        decision = _Decision.model_validate(value)
    except ValidationError as error:
        raise Rejected("invalid", gettext("Approve this, or reject it.")) from error
    if decision.arguments is not None:
        if decision.decision == "reject" or "schema" not in question:
            raise Rejected("invalid", gettext("There are no arguments to change here."))
        _check_schema(question["schema"], decision.arguments)
    return decision.model_dump(exclude_defaults=True) | {"decision": decision.decision}


def _in_words(problem: Any) -> str:
    """What is wrong, for a person; the schema's own words where there is nothing kinder."""
    limit = problem.validator_value
    match problem.validator:
        case "minLength":
            return gettext("At least %(limit)s characters, please.") % {"limit": limit}
        case "maxLength":
            return gettext("At most %(limit)s characters, please.") % {"limit": limit}
        case "minimum" | "exclusiveMinimum":
            return gettext("This is too small; the limit is %(limit)s.") % {"limit": limit}
        case "maximum" | "exclusiveMaximum":
            return gettext("This is too large; the limit is %(limit)s.") % {"limit": limit}
        case "pattern" | "format":
            return gettext("This is not written as it should be.")
        case "enum" | "const":
            return gettext("Choose one of the values that are offered.")
        case "type":
            return gettext("This is another kind of value than is wanted.")
        case "additionalProperties":
            return gettext("There is something in here that is not asked for.")
    return str(problem.message)


def _check_schema(schema: dict[str, Any], value: Any) -> None:
    problems = Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(value)
    errors: dict[str, str] = {}
    for problem in problems:
        place = [str(part) for part in problem.absolute_path]
        if problem.validator == "required":  # said of the whole object; the person wants to see it at the field
            place += [name for name in problem.validator_value if name not in problem.instance][:1]
            errors.setdefault(".".join(place), gettext("This is needed."))
        else:
            errors.setdefault(".".join(place), _in_words(problem))
    if errors:
        raise Rejected("invalid", gettext("Something in here does not fit."), errors=errors)
