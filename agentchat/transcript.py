"""What a person reads: the events of a chat session, put together to messages, tool calls, questions and errors.

One pass over the facts, in order, without the database. Pages, admin and exports show the items; the page's own
`transcript.js` puts the same facts together in the browser, so a rule that changes here changes there too. Markdown
becomes HTML when a template asks for it, and never before.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from agentchat.palettes import letter_of, palette_of
from agentchat.readable import Row, Schema, rows_of
from agentchat.rendering import END_SIGNAL, to_html

RunState = Literal["idle", "queued", "running", "waiting"]

Asks = Literal["text", "approval", "unsure", "limit", "form"]
"""What a question is about: a word of the person's; may a tool be called; was it called, and shall it be again; may the
run go on beyond a limit; a form."""

ToolState = Literal["asked", "held", "running", "refused", "done", "failed", "cut"]
"""`held`: a person is asked about it. `refused`: they did not approve, so it is not made. `cut`: the run ended."""

RequestState = Literal["open", "approved", "changed", "rejected", "answered", "expired", "closed"]
"""`changed`: approved, with other arguments. `closed`: the run ended before anybody answered."""


@dataclass(kw_only=True, eq=False)
class Item:
    """Base of what a transcript is made of. `kind` chooses the template."""

    kind: ClassVar[str]
    seq: int = 0
    at: datetime | None = None

    @property
    def moment(self) -> str:
        """When it happened, as the wire has it."""
        return self.at.isoformat(timespec="milliseconds") if self.at else ""


@dataclass(kw_only=True, eq=False)
class Message(Item):
    """What somebody said. Without an END it is still being written."""

    kind = "message"
    id: str
    role: str = "assistant"
    name: str = ""
    content: str = ""
    writing: bool = True
    stopped: bool = False

    @property
    def is_the_persons(self) -> bool:
        return self.role == "user"

    @property
    def says_nothing(self) -> bool:
        """An agent that only calls a tool, or only says to the program that it is done, says nothing to the person."""
        return not self.writing and self.content.strip() in ("", END_SIGNAL)

    @property
    def html(self) -> SafeString:
        return to_html(self.content)

    @property
    def palette(self) -> int:
        return palette_of(self.name)

    @property
    def letter(self) -> str:
        return letter_of(self.name)


@dataclass(kw_only=True, eq=False)
class ToolCall(Item):
    """A tool that an agent wants called, and what came of it."""

    kind = "tool"
    id: str
    tool: str = ""
    agent: str = ""
    args: str = ""
    result: str = ""
    state: ToolState = "asked"
    duration_ms: int | None = None

    @property
    def seconds(self) -> float | None:
        return None if self.duration_ms is None else self.duration_ms / 1000

    @property
    def arguments(self) -> Mapping[str, Any] | None:
        """The arguments, if what the model wrote is an object."""
        try:
            written = json.loads(self.args)
        except ValueError:
            return None
        return written if isinstance(written, dict) else None


@dataclass(kw_only=True, eq=False)
class Printed(Item):
    """What an agent function printed, one print after the other."""

    kind = "printed"
    text: str = ""


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


@dataclass(kw_only=True, eq=False)
class Error(Item):
    """The run failed. The log has the traceback under `id`."""

    kind = "error"
    id: str = ""
    code: str = ""
    message: str = ""


@dataclass(kw_only=True, eq=False)
class Ended(Item):
    """Somebody stopped the run. A run that ends by itself leaves no trace."""

    kind = "ended"


@dataclass(kw_only=True, eq=False)
class NestedChats(Item):
    """What an agent and others said among them before it replied. Unfinished, they may go on."""

    kind = "nested"
    step: str = ""
    name: str = ""
    items: list[Item] = field(default_factory=list)
    finished: bool = False

    @property
    def palette(self) -> int:
        return palette_of(self.name)

    @property
    def letter(self) -> str:
        return letter_of(self.name)


@dataclass
class Usage:
    """Tokens of all LLM calls, and their cost in US dollars as far as it is known."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass
class Transcript:
    """The items in order, and how things stand after the last of the facts."""

    items: list[Item] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    state: RunState = "idle"
    open_requests: list[Request] = field(default_factory=list)
    last_seq: int = 0

    @property
    def text_request(self) -> Request | None:
        """The question that the composer asks."""
        return next((request for request in reversed(self.open_requests) if request.asks == "text"), None)


def of_events(events: Iterable[Any]) -> Transcript:
    """The transcript of rows of the event table (`agentchat.models.Event`), in the order of their numbers."""
    reader = _Reader()
    for event in events:
        reader.read(event.type, event.seq, event.created_at, event.payload)
    return reader.finish()


def of_frames(frames: Iterable[Mapping[str, Any]]) -> Transcript:
    """The transcript of events as the wire has them."""
    reader = _Reader()
    for frame in frames:
        reader.read(frame["type"], frame["seq"], parse_datetime(frame["at"]), frame)
    return reader.finish()


def blanks() -> dict[str, Item]:
    """One empty item of each kind: a page renders them as the `<template>`s that its JavaScript fills."""
    return {
        "person": Message(id="", role="user", writing=False),
        "agent": Message(id=""),
        "tool": ToolCall(id=""),
        "printed": Printed(),
        "request": Request(id=""),
        "approval": Request(id="", asks="approval"),
        "unsure": Request(id="", asks="unsure"),
        "limit": Request(id="", asks="limit"),
        "form": Request(id="", asks="form"),
        "error": Error(),
        "ended": Ended(),
        "nested": NestedChats(),
    }


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


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


def _is_shown(item: Item) -> bool:
    match item:
        case Message():
            return not item.says_nothing
        case NestedChats(finished=True):
            return any(map(_is_shown, item.items))
        case _:
            return True


def _shown(items: list[Item]) -> list[Item]:
    for item in items:
        if isinstance(item, NestedChats):
            item.items = _shown(item.items)
    return [item for item in items if _is_shown(item)]


class _Reader:
    """Reads facts one by one. A fact of a type that nobody shows is read over."""

    def __init__(self) -> None:
        self._read = Transcript()
        self._messages: dict[str, Message] = {}  # those being written
        self._calls: list[ToolCall] = []  # those without a result
        self._nested: list[NestedChats] = []  # those that go on, each within the one before

    def finish(self) -> Transcript:
        self._read.items = _shown(self._read.items)
        return self._read

    def read(self, type_: str, seq: int, at: datetime | None, payload: Mapping[str, Any]) -> None:
        self._seq, self._at = seq, at
        self._read.last_seq = seq
        if method := self._METHODS.get(type_):
            method(self, payload)

    @property
    def _place(self) -> list[Item]:
        """Where it goes on."""
        return self._nested[-1].items if self._nested else self._read.items

    def _add(self, item: Item) -> None:
        item.seq, item.at = self._seq, self._at
        is_unasked = isinstance(item, Message) and item.is_the_persons and self._read.text_request is None
        # What a person says unasked is not said in a nested chat, and must not be folded away with it.
        (self._read.items if is_unasked else self._place).append(item)

    def _text_message_start(self, payload: Mapping[str, Any]) -> None:
        message = Message(id=payload["messageId"], role=payload["role"], name=payload["name"])
        self._messages[message.id] = message
        self._add(message)

    def _text_message_end(self, payload: Mapping[str, Any]) -> None:
        message = self._messages.pop(payload["messageId"], None)
        if message is None:
            return
        message.content = payload["content"]
        message.stopped = bool(payload.get("stopped"))
        message.writing = False
        if message.is_the_persons and self._read.state == "idle":
            self._read.state = "queued"

    def _tool_call_start(self, payload: Mapping[str, Any]) -> None:
        call = ToolCall(id=payload["toolCallId"], tool=payload["toolCallName"], agent=payload["name"])
        self._calls.append(call)
        self._add(call)

    def _open_call(self, payload: Mapping[str, Any]) -> ToolCall | None:
        """The last unfinished call with this id: models use an id again in a later turn."""
        return next((call for call in reversed(self._calls) if call.id == payload["toolCallId"]), None)

    def _tool_call_args(self, payload: Mapping[str, Any]) -> None:
        if call := self._open_call(payload):
            call.args += payload["args"]

    def _tool_call_end(self, payload: Mapping[str, Any]) -> None:
        if call := self._open_call(payload):
            call.state = "running"

    def _tool_call_result(self, payload: Mapping[str, Any]) -> None:
        if call := self._open_call(payload):
            self._calls.remove(call)
            call.result = payload["content"]
            if call.state != "refused":
                call.state = "done" if payload["ok"] else "failed"
                call.duration_ms = payload["durationMs"]

    def _step_started(self, payload: Mapping[str, Any]) -> None:
        nested = NestedChats(step=payload["stepName"], name=payload["name"])
        self._add(nested)
        self._nested.append(nested)

    def _step_finished(self, payload: Mapping[str, Any]) -> None:
        names = [nested.step for nested in self._nested]
        if payload["stepName"] in names:
            self._finish_nested(len(names) - 1 - names[::-1].index(payload["stepName"]))

    def _finish_nested(self, first: int) -> None:
        """From this one on: nothing within it outlasts it."""
        for nested in self._nested[first:]:
            nested.finished = True
        del self._nested[first:]

    def _printed(self, payload: Mapping[str, Any]) -> None:
        last = next((item for item in reversed(self._place) if _is_shown(item)), None)
        if not isinstance(last, Printed):
            last = Printed()
            self._add(last)
        last.text += payload["text"]

    def _input_requested(self, payload: Mapping[str, Any]) -> None:
        until = payload.get("expiresAt")
        request = Request(
            id=payload["request"],
            asks=_asks(payload),
            prompt=payload["prompt"],
            password=bool(payload.get("password")),
            schema=payload.get("schema"),
            initial=payload.get("initial"),
            call=self._open_call(payload) if payload.get("toolCallId") else None,
            expires_at=parse_datetime(until) if until else None,
        )
        if request.call:
            request.call.state = "held"
        self._add(request)
        self._read.open_requests.append(request)
        self._read.state = "waiting"

    def _input_answered(self, payload: Mapping[str, Any]) -> None:
        still_open = self._read.open_requests
        request = next((each for each in still_open if each.id == payload["request"]), None)
        if request is None:
            return
        still_open.remove(request)
        request.state = _state_after(request, payload)
        request.value, request.by = payload.get("value"), payload["by"]
        if request.call:
            is_refused = request.asks == "approval" and request.state in ("rejected", "expired")
            request.call.state = "refused" if is_refused else "running"
        if not still_open:
            self._read.state = "running"

    def _usage(self, payload: Mapping[str, Any]) -> None:
        usage = self._read.usage
        usage.prompt_tokens += payload["promptTokens"]
        usage.completion_tokens += payload["completionTokens"]
        usage.cost += payload.get("cost") or 0.0

    def _run_started(self, payload: Mapping[str, Any]) -> None:
        self._read.state = "running"

    def _run_finished(self, payload: Mapping[str, Any]) -> None:
        self._close()
        if payload["outcome"]["type"] == "cancelled":
            self._add(Ended())

    def _run_error(self, payload: Mapping[str, Any]) -> None:
        self._close()
        self._add(Error(id=payload["id"], code=payload["code"], message=payload["message"]))

    def _close(self) -> None:
        """The run is over: what is unfinished stays so."""
        for call in self._calls:
            call.state = "cut"
        for message in self._messages.values():
            message.writing, message.stopped = False, True
        self._calls.clear()
        self._messages.clear()
        self._finish_nested(0)
        for request in self._read.open_requests:
            request.state = "closed"
        self._read.open_requests.clear()
        self._read.state = "idle"

    _METHODS: ClassVar[dict[str, Any]] = {
        "TEXT_MESSAGE_START": _text_message_start,
        "TEXT_MESSAGE_END": _text_message_end,
        "TOOL_CALL_START": _tool_call_start,
        "TOOL_CALL_ARGS": _tool_call_args,
        "TOOL_CALL_END": _tool_call_end,
        "TOOL_CALL_RESULT": _tool_call_result,
        "STEP_STARTED": _step_started,
        "STEP_FINISHED": _step_finished,
        "PRINTED": _printed,
        "INPUT_REQUESTED": _input_requested,
        "INPUT_ANSWERED": _input_answered,
        "USAGE": _usage,
        "RUN_STARTED": _run_started,
        "RUN_FINISHED": _run_finished,
        "RUN_ERROR": _run_error,
    }
