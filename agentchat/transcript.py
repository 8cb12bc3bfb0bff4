"""What a person reads: the events of a chat session, put together to messages, tool calls, questions and errors.

One pass over the facts, in order, without the database. Pages, admin and exports show the items; the page's own
`transcript.js` puts the same facts together in the browser, so a rule that changes here changes there too. Markdown
becomes HTML when a template asks for it, and never before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString

from agentchat.rendering import END_SIGNAL, to_html

RunState = Literal["idle", "queued", "running", "waiting"]


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


@dataclass(kw_only=True, eq=False)
class ToolCall(Item):
    """A tool that an agent wants called, and what came of it."""

    kind = "tool"
    id: str
    tool: str = ""
    agent: str = ""
    args: str = ""
    result: str = ""
    state: Literal["asked", "running", "done", "failed", "cut"] = "asked"
    duration_ms: int | None = None

    @property
    def seconds(self) -> float | None:
        return None if self.duration_ms is None else self.duration_ms / 1000


@dataclass(kw_only=True, eq=False)
class Printed(Item):
    """What an agent function printed, one print after the other."""

    kind = "printed"
    text: str = ""


@dataclass(kw_only=True, eq=False)
class Request(Item):
    """A question to the person. `form` is what kind of answer it wants: text, approval or form."""

    kind = "request"
    id: str
    form: str = "text"
    prompt: str = ""
    password: bool = False
    answered: bool = False


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
    request: Request | None = None
    last_seq: int = 0


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
        "error": Error(),
        "ended": Ended(),
    }


def _is_shown(item: Item) -> bool:
    return not (isinstance(item, Message) and item.says_nothing)


class _Reader:
    """Reads facts one by one. A fact of a type that nobody shows is read over."""

    def __init__(self) -> None:
        self._read = Transcript()
        self._messages: dict[str, Message] = {}  # those being written
        self._calls: list[ToolCall] = []  # those without a result

    def finish(self) -> Transcript:
        self._read.items = [item for item in self._read.items if _is_shown(item)]
        return self._read

    def read(self, type_: str, seq: int, at: datetime | None, payload: Mapping[str, Any]) -> None:
        self._seq, self._at = seq, at
        self._read.last_seq = seq
        if method := self._METHODS.get(type_):
            method(self, payload)

    def _add(self, item: Item) -> None:
        item.seq, item.at = self._seq, self._at
        self._read.items.append(item)

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
            call.state = "done" if payload["ok"] else "failed"
            call.result = payload["content"]
            call.duration_ms = payload["durationMs"]

    def _printed(self, payload: Mapping[str, Any]) -> None:
        last = next((item for item in reversed(self._read.items) if _is_shown(item)), None)
        if not isinstance(last, Printed):
            last = Printed()
            self._add(last)
        last.text += payload["text"]

    def _input_requested(self, payload: Mapping[str, Any]) -> None:
        request = Request(
            id=payload["request"],
            form=payload["kind"],
            prompt=payload["prompt"],
            password=bool(payload.get("password")),
        )
        self._add(request)
        self._read.request, self._read.state = request, "waiting"

    def _input_answered(self, payload: Mapping[str, Any]) -> None:
        request = self._read.request
        if request is not None and request.id == payload["request"]:
            request.answered = True
            self._read.request, self._read.state = None, "running"

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
        if self._read.request is not None:
            self._read.request.answered = True
        self._read.request, self._read.state = None, "idle"

    _METHODS: ClassVar[dict[str, Any]] = {
        "TEXT_MESSAGE_START": _text_message_start,
        "TEXT_MESSAGE_END": _text_message_end,
        "TOOL_CALL_START": _tool_call_start,
        "TOOL_CALL_ARGS": _tool_call_args,
        "TOOL_CALL_END": _tool_call_end,
        "TOOL_CALL_RESULT": _tool_call_result,
        "PRINTED": _printed,
        "INPUT_REQUESTED": _input_requested,
        "INPUT_ANSWERED": _input_answered,
        "USAGE": _usage,
        "RUN_STARTED": _run_started,
        "RUN_FINISHED": _run_finished,
        "RUN_ERROR": _run_error,
    }
