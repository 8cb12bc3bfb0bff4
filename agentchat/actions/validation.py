"""Validation of answers: one that does not fit its question is rejected, with a message, before anything is written.

A question is the payload of its INPUT_REQUESTED. A form and edited arguments are checked against their JSON schema
here, in whatever process the answer comes to; the agent function's own pydantic model has the last word later on.
"""

import json
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


def check(question: Question, value: Any, *, is_owner: bool = True) -> Any:
    """The answer as it is to be stored. Raise Rejected. `is_owner`: the owner of the chat gives it."""
    if is_expired(question):
        raise expired()
    kind = question["kind"]
    if kind == "text":
        return clean(_text(value))
    if kind == "approval":
        return clean_json(_decision(question, value, is_owner=is_owner))
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


def _decision(question: Question, value: Any, *, is_owner: bool) -> dict[str, Any]:
    try:
        decision = _Decision.model_validate(value)
    except ValidationError as error:
        raise Rejected("invalid", gettext("Approve or reject this.")) from error
    if decision.arguments is not None:
        if decision.decision == "reject" or "schema" not in question:
            raise Rejected("invalid", gettext("There are no arguments to edit here."))
        decision.arguments = _edited(question, decision.arguments, is_owner=is_owner)
        _check_schema(question["schema"], decision.arguments)
    return decision.model_dump(exclude_defaults=True) | {"decision": decision.decision}


def editable_arguments(question: Question, *, is_owner: bool) -> frozenset[str] | None:
    """The arguments of a call that may be changed when it is approved; None: all of them.

    An owner who approves what is asked of somebody else may change none, where nothing else is said.
    """
    if (names := question.get("editable")) is not None:
        return frozenset(names)
    return frozenset() if is_owner and question.get("colleague") else None


def _edited(question: Question, arguments: dict[str, Any], *, is_owner: bool) -> dict[str, Any]:
    """The arguments with these changes: those that must not be changed may be left out. Raise Rejected."""
    editable, asked = editable_arguments(question, is_owner=is_owner), question.get("initial") or {}
    if editable is None:
        return arguments
    kept = {name: value for name, value in asked.items() if name not in editable}
    changed = {name for name, value in arguments.items() if name not in editable and not _is_same(kept, name, value)}
    if changed:
        errors = dict.fromkeys(sorted(changed), gettext("This can't be changed."))
        raise Rejected("invalid", gettext("Some of this can't be changed."), errors=errors)
    return {**kept, **arguments}


def _is_same(kept: dict[str, Any], name: str, value: Any) -> bool:
    return name in kept and json.dumps(kept[name], sort_keys=True) == json.dumps(value, sort_keys=True)


def _check_schema(schema: Schema, value: Any) -> None:
    check_schema(schema, value, max_chars=MAX_ANSWER_CHARS + conf.app.max_message_chars)
