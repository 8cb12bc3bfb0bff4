"""Validation of answers: one that does not fit its question is rejected, with a message, before anything is written.

A question is the payload of its INPUT_REQUESTED. A form and edited arguments are checked against their JSON schema
here, in whatever process the answer comes to; the agent function's own pydantic model has the last word later on.
"""

from typing import Any, Literal

from django.utils.translation import gettext
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentchat import conf
from agentchat.actions.json_schema import Schema, check_schema
from agentchat.errors import Rejected
from agentchat.infra.sanitize import clean, clean_json
from agentchat.runs.questions import Question, is_expired

MAX_ANSWER_CHARS = 64 * 1024  # of a form or edited arguments, plus one message: a field may have as much


class _Decision(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    decision: Literal["approve", "reject"]
    arguments: dict[str, Any] | None = None
    reason: str = Field(default="", max_length=2000)


def check(question: Question, value: Any) -> Any:
    """The answer as it is to be stored. Raise Rejected."""
    if is_expired(question):
        raise expired()
    kind = question["kind"]
    if kind == "text":
        return clean(_text(value))
    if kind == "approval":
        return clean_json(_decision(question, value))
    _check_schema(question["schema"], value)
    return clean_json(value)


def expired() -> Rejected:
    return Rejected("expired", gettext("This question has just expired."))


def check_length(text: str) -> None:
    limit = conf.app.max_message_chars
    if len(text) > limit:
        message = gettext("This message is %(length)d characters long; the limit is %(limit)d.")
        raise Rejected("too_long", message % {"length": len(text), "limit": limit})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Rejected("invalid", gettext("Answer this question with text."))
    check_length(value)
    return value


def _decision(question: Question, value: Any) -> dict[str, Any]:
    try:
        decision = _Decision.model_validate(value)
    except ValidationError as error:
        raise Rejected("invalid", gettext("Approve or reject this.")) from error
    if decision.arguments is not None:
        if decision.decision == "reject" or "schema" not in question:
            raise Rejected("invalid", gettext("There are no arguments to edit here."))
        _check_schema(question["schema"], decision.arguments)
    return decision.model_dump(exclude_defaults=True) | {"decision": decision.decision}


def _check_schema(schema: Schema, value: Any) -> None:
    check_schema(schema, value, max_chars=MAX_ANSWER_CHARS + conf.app.max_message_chars)
