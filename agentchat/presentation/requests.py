"""The questions of a transcript: what is asked, their state, and the answers.

The composer answers a text question; every other question is a card. `reader.py` asks here what events mean for a
question.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext

from agentchat.i18n.system_messages import translated
from agentchat.presentation.items import Item, ToolCall
from agentchat.presentation.json_rows import JSONRow, Schema, argument_rows, rows_of

Asks = Literal["text", "approval", "unsure", "limit", "form"]
"""What a question asks for: a text; approval of a tool call; whether to repeat one whose outcome is unknown; whether
the run may exceed a limit; a form."""

RequestState = Literal["open", "approved", "changed", "rejected", "answered", "expired", "closed"]
"""`changed`: approved, with other arguments. `closed`: the run ended before it was answered."""

_CODE = re.compile(r"\\u[0-9a-f]{4}")


@dataclass(kw_only=True, eq=False)
class InputRequest(Item):
    """A question to the user."""

    kind = "request"
    id: str
    asks: Asks = "text"
    prompt: str = ""
    password: bool = False
    schema: Schema | None = None
    initial: Mapping[str, Any] | None = None
    call: ToolCall | None = None
    expires_at: datetime | None = None
    editable: frozenset[str] | None = None  # the arguments that the user may change; None: all
    colleague: bool = False  # somebody else than the owner of the chat is asked
    visible: str | None = None  # what users see of it then, see `visibility.py`
    state: RequestState = "open"
    value: Any = None
    by: str = ""

    @property
    def is_open(self) -> bool:
        return self.state == "open"

    @property
    def may_have_draft(self) -> bool:
        """Whether the user may have typed something into it that is to be kept."""
        return self.state in ("open", "expired") and not self.colleague

    @property
    def tool(self) -> str:
        return self.call.tool if self.call else ""

    @property
    def arguments(self) -> list[JSONRow]:
        """The arguments of the tool call; as the model wrote them if they cannot be read."""
        if self.call is None or self.call.is_name_only:
            return []
        if self._prefill is None:
            return [JSONRow(gettext("Arguments"), self.call.shown_args)]
        return argument_rows(self._prefill, self.schema)

    @property
    def answer(self) -> list[JSONRow]:
        """The answer: a form, or changed arguments."""
        if self.state not in ("answered", "changed") or not isinstance(self.value, Mapping):
            return []
        if self.state == "changed":
            return argument_rows(self.value["arguments"], self.schema)
        return rows_of(self.value, self.schema)

    @property
    def has_codes(self) -> bool:
        """Whether a row has a code in the place of a character that cannot be seen."""
        return any(_CODE.search(row.label + row.text) for row in (*self.arguments, *self.answer))

    @property
    def reason(self) -> str:
        reason = self.value.get("reason") if self.state == "rejected" else ""
        return reason if isinstance(reason, str) else ""

    @property
    def schema_json(self) -> str:
        """The schema that a page builds the form from; empty if there is none."""
        return _json(only_editable(self.schema, self.editable))

    @property
    def initial_json(self) -> str:
        """The initial values of the form."""
        values, editable = self._prefill, self.editable
        if values is None or editable is None:
            return _json(values)
        return _json({name: value for name, value in values.items() if name in editable})

    @property
    def expires(self) -> str:
        return self.expires_at.isoformat(timespec="milliseconds") if self.expires_at else ""

    @property
    def _prefill(self) -> Mapping[str, Any] | None:
        return self.call.arguments if self.call and self.initial is None else self.initial


def request_of(payload: Mapping[str, Any], call: ToolCall | None) -> InputRequest:
    """The question of an INPUT_REQUESTED; `call` is the tool call that it is about."""
    return InputRequest(
        id=payload["request"],
        asks=_asks(payload),
        prompt=translated(payload, "prompt"),
        password=bool(payload.get("password")),
        schema=payload.get("schema"),
        initial=payload.get("initial"),
        call=call,
        editable=None if payload.get("editable") is None else frozenset(payload["editable"]),
        colleague=bool(payload.get("colleague")),
        visible=payload.get("visible"),
        expires_at=_moment(payload.get("expiresAt")),
    )


def apply_answer(request: InputRequest, payload: Mapping[str, Any]) -> None:
    """Update the question with an INPUT_ANSWERED, and the tool call that it is about."""
    request.state = _state_after(request, payload)
    request.value, request.by = payload.get("value"), payload["by"]
    if request.call:
        is_refused = request.asks == "approval" and request.state in ("rejected", "expired")
        request.call.state = "refused" if is_refused else "running"
        if request.state == "changed":
            request.call.approved = request.value["arguments"]  # if it is made again, it is with these


def only_editable(schema: Schema | None, editable: frozenset[str] | None) -> Schema | None:
    """The schema of those arguments that may be changed; None if there are none."""
    if schema is None or editable is None:
        return schema
    properties = {name: each for name, each in schema.get("properties", {}).items() if name in editable}
    required = [name for name in schema.get("required", ()) if name in editable]
    return {**schema, "properties": properties, "required": required} if properties else None


def _asks(payload: Mapping[str, Any]) -> Asks:
    match payload["kind"]:
        case "approval" if payload.get("unsure"):
            return "unsure"
        case "approval":
            return "approval" if payload.get("toolCallId") else "limit"
        case "form":
            return "form"
        case _:
            return "text"


def _state_after(request: InputRequest, payload: Mapping[str, Any]) -> RequestState:
    """The state of the question after this answer."""
    if payload.get("expired"):
        return "expired"
    if request.asks in ("text", "form"):
        return "answered"
    decision = payload.get("value")
    if not isinstance(decision, Mapping):
        return "closed"
    if decision.get("decision") == "reject":
        return "rejected"
    return "changed" if isinstance(decision.get("arguments"), Mapping) else "approved"


def _moment(written: str | None) -> datetime | None:
    try:
        return parse_datetime(written) if written else None
    except ValueError:  # there is no such day
        return None


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
