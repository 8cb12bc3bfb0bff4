"""The questions of a transcript: what is asked, how it stands, and what was answered.

A word of the person's is asked for by the composer; every other question is a card. transcript.py reads the facts, and
asks here what they mean; `cards.js` has the same rules in the browser.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.utils.dateparse import parse_datetime

from agentchat.items import Item, ToolCall
from agentchat.own_words import translated
from agentchat.readable import Row, Schema, rows_of

Asks = Literal["text", "approval", "unsure", "limit", "form"]
"""What a question is about: a word of the person's; may a tool be called; was it called, and shall it be again; may the
run go on beyond a limit; a form."""

RequestState = Literal["open", "approved", "changed", "rejected", "answered", "expired", "closed"]
"""`changed`: approved, with other arguments. `closed`: the run ended before anybody answered."""


@dataclass(kw_only=True, eq=False)
class Request(Item):
    """A question to the person. The composer asks for a text, and every other question has a card of its own."""

    kind = "request"
    id: str
    asks: Asks = "text"
    prompt: str = ""
    password: bool = False
    schema: Schema | None = None
    initial: Mapping[str, Any] | None = None
    call: ToolCall | None = None
    expires_at: datetime | None = None
    state: RequestState = "open"
    value: Any = None
    by: str = ""

    @property
    def is_open(self) -> bool:
        return self.state == "open"

    @property
    def may_hold_words(self) -> bool:
        """Somebody may have typed something into it that is to be kept."""
        return self.state in ("open", "expired")

    @property
    def tool(self) -> str:
        return self.call.tool if self.call else ""

    @property
    def arguments(self) -> list[Row]:
        """What a tool would be called with."""
        return rows_of(self._prefill or {}, self.schema) if self.call else []

    @property
    def answer(self) -> list[Row]:
        """What was answered: a form, or other arguments."""
        if self.state not in ("answered", "changed") or not isinstance(self.value, Mapping):
            return []
        return rows_of(self.value["arguments"] if self.state == "changed" else self.value, self.schema)

    @property
    def reason(self) -> str:
        return self.value.get("reason", "") if self.state == "rejected" else ""

    @property
    def schema_json(self) -> str:
        """What a page makes the form of; empty if there is none."""
        return _json(self.schema)

    @property
    def initial_json(self) -> str:
        """What the form is filled in with at first."""
        return _json(self._prefill)

    @property
    def expires(self) -> str:
        return self.expires_at.isoformat(timespec="milliseconds") if self.expires_at else ""

    @property
    def _prefill(self) -> Mapping[str, Any] | None:
        return self.call.arguments if self.call else self.initial


def request_of(payload: Mapping[str, Any], call: ToolCall | None) -> Request:
    """The question of an INPUT_REQUESTED; `call` is the tool call that it is about."""
    until = payload.get("expiresAt")
    return Request(
        id=payload["request"],
        asks=_asks(payload),
        prompt=translated(payload["prompt"]) if payload["kind"] == "approval" else payload["prompt"],
        password=bool(payload.get("password")),
        schema=payload.get("schema"),
        initial=payload.get("initial"),
        call=call,
        expires_at=parse_datetime(until) if until else None,
    )


def take_answer(request: Request, payload: Mapping[str, Any]) -> None:
    """What an INPUT_ANSWERED makes of the question, and of the tool call that it is about."""
    request.state = _state_after(request, payload)
    request.value, request.by = payload.get("value"), payload["by"]
    if request.call:
        is_refused = request.asks == "approval" and request.state in ("rejected", "expired")
        request.call.state = "refused" if is_refused else "running"


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


def _state_after(request: Request, payload: Mapping[str, Any]) -> RequestState:
    """What the answer makes of the question."""
    if payload.get("expired"):
        return "expired"
    if request.asks in ("text", "form"):
        return "answered"
    decision = payload.get("value") or {}
    if decision.get("decision") == "reject":
        return "rejected"
    return "changed" if decision.get("arguments") is not None else "approved"


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
