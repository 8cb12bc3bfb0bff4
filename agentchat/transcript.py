"""What a person reads: the events of a chat session, put together to messages, tool calls, questions and errors.

One pass over the facts, in order, without the database. Pages, admin and exports show the items; the page's own
`transcript.js` puts the same facts together in the browser, so a rule that changes here changes there too. Which events
are read is the caller's affair: all of them, or a part of a long chat (parts.py), which begins at a border that this
pass has found.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Literal

from django.utils.dateparse import parse_datetime

from agentchat.cards import Request, request_of, take_answer
from agentchat.items import Ended, Error, Item, Message, NestedChats, Printed, ToolCall, UsageLine
from agentchat.own_words import translated
from agentchat.spent import Spent

RunState = Literal["idle", "queued", "running", "waiting"]

RUN_ENDS = ("RUN_FINISHED", "RUN_ERROR")


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
    last_at: datetime | None = None
    spent: Spent = field(default_factory=Spent)
    """What the models used since the last line about it."""

    @property
    def last_moment(self) -> str:
        return self.last_at.isoformat(timespec="milliseconds") if self.last_at else ""

    def spent_json(self, *, may_see: bool) -> str:
        """Where the page goes on counting."""
        spent = self.spent if may_see else Spent(since=self.spent.since, ms=self.spent.ms)
        return json.dumps(asdict(spent), separators=(",", ":"))

    @property
    def text_request(self) -> Request | None:
        """The question that the composer asks."""
        return next((request for request in reversed(self.open_requests) if request.asks == "text"), None)


@dataclass(frozen=True, kw_only=True)
class Before:
    """How things stand before a part of a chat. `opened` are the events that began what goes on in it."""

    state: RunState = "idle"
    spent: Spent = field(default_factory=Spent)
    last_type: str = ""  # of the agent's facts
    opened: Sequence[Any] = ()


@dataclass(frozen=True, kw_only=True)
class Border:
    """Where a transcript may be parted: before this item, at which nothing that began earlier is unfinished.

    No message is torn there, no tool call from its result, no question from its answer, no nested chat, and no text
    that was printed in pieces. `place` is the item's among all items.
    """

    seq: int
    item: Item
    place: int
    before: Before


def of_events(events: Iterable[Any], *, before: Before | None = None, later: Iterable[Any] | None = None) -> Transcript:
    """The transcript of rows of the event table (`agentchat.models.Event`), in the order of their numbers.

    For a part of a chat: `before` is how things stand before it; `later`, where it is not the last part, are events
    after it: of those only what ends the part's own items is read, and none where nothing is unfinished.
    """
    reader = _Reader(before)
    for event in events:
        reader.take(event)
    if later is not None:
        reader.take_ends(later)
    return reader.finish()


def borders_of(events: Iterable[Any], before: Before) -> tuple[list[Border], list[Item]]:
    """Where these events may be parted, and the items that they make."""
    reader = _Reader(before)
    for event in events:
        reader.take(event)
    items = list(reader.finish().items)
    places = {id(item): place for place, item in enumerate(items)}
    # An item that is not shown is no border: what is printed before and after it is one text.
    shown = [replace(border, place=places[id(border.item)]) for border in reader.borders if id(border.item) in places]
    return shown, items


def items_of(events: Iterable[Any]) -> Iterator[Item]:
    """The items of a whole chat, one after the other: no more of them are in memory than belong together."""
    reader = _Reader()
    for event in events:
        if reader.is_settled:
            yield from reader.give_away()
        reader.take(event)
    yield from reader.finish().items


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
        "usage": UsageLine(),
        "nested": NestedChats(),
    }


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

    def __init__(self, before: Before | None = None) -> None:
        before = before or Before()
        self.borders: list[Border] = []
        self._spent_before, self._type_before = before.spent, before.last_type  # before the last fact
        self._read = Transcript(state=before.state, spent=replace(before.spent))
        self._messages: dict[str, Message] = {}  # those being written
        self._unread: dict[str, Message] = {}  # what the person said, and the agent has not asked for
        self._calls: list[ToolCall] = []  # those without a result
        self._nested: list[NestedChats] = []  # those that go on, each within the one before
        self._last_type = before.last_type  # of the agent's facts
        for event in before.opened:
            self._seq, self._at = event.seq, event.created_at
            self._METHODS[event.type](self, event.payload)
        self.borders.clear()

    def finish(self) -> Transcript:
        self._read.items = _shown(self._read.items)
        return self._read

    @property
    def is_settled(self) -> bool:
        """Nothing is unfinished."""
        return not (self._messages or self._calls or self._nested or self._read.open_requests)

    def give_away(self) -> list[Item]:
        """The items that nothing will be added to any more, when all is settled."""
        items = _shown(self._read.items)
        # Somebody may print on.
        self._read.items = [items.pop()] if items and isinstance(items[-1], Printed) else []
        return items

    def take(self, event: Any) -> None:
        self.read(event.type, event.seq, event.created_at, event.payload)

    def take_ends(self, events: Iterable[Any]) -> None:
        """Read what the events end, and not what they begin."""
        if self.is_settled and not self._unread:
            return
        for event in events:
            self._seq = event.seq
            self._look_for_readers(event.type, event.payload)
            if event.type in self._ENDS:
                self._METHODS[event.type](self, event.payload)
            elif event.type in RUN_ENDS:
                self._close()
            if self.is_settled and not self._unread:
                return
        self._finish_nested(0)  # they go on in the next part

    def read(self, type_: str, seq: int, at: datetime | None, payload: Mapping[str, Any]) -> None:
        self._seq, self._at = seq, at
        self._read.last_seq, self._read.last_at = seq, at
        self._spent_before = replace(self._read.spent)
        self._type_before = self._last_type
        self._look_for_readers(type_, payload)
        if at is not None and self._read.spent.take(type_, at, payload):
            spent = self._read.spent.take_out()
            if spent.tokens:
                self._read.items.append(UsageLine(spent=spent, seq=seq, at=at))
        if method := self._METHODS.get(type_):
            method(self, payload)

    def _look_for_readers(self, type_: str, payload: Mapping[str, Any]) -> None:
        """No fact says when the agent took a message. It asks between two messages of its own: so it has, by then."""
        if payload.get("role") == "user" or payload.get("messageId") in self._unread:
            return
        is_next = type_ == "TEXT_MESSAGE_START" and self._last_type == "TEXT_MESSAGE_END"
        if is_next or type_ in ("INPUT_REQUESTED", "RUN_STARTED", "RUN_FINISHED", "RUN_ERROR"):
            for message in self._unread.values():
                message.unread = False
            self._unread.clear()
        if type_ != "USAGE":
            self._last_type = type_

    @property
    def _place(self) -> list[Item]:
        """Where it goes on."""
        return self._nested[-1].items if self._nested else self._read.items

    def _add(self, item: Item) -> None:
        item.seq, item.at = self._seq, self._at
        if self.is_settled and isinstance(item, Message | ToolCall | Request | NestedChats):
            before = Before(state=self._read.state, spent=self._spent_before, last_type=self._type_before)
            self.borders.append(Border(seq=self._seq, item=item, place=0, before=before))
        is_unasked = isinstance(item, Message) and item.is_the_persons and self._read.text_request is None
        # What a person says unasked is not said in a nested chat, and must not be folded away with it.
        (self._read.items if is_unasked else self._place).append(item)

    def _text_message_start(self, payload: Mapping[str, Any]) -> None:
        message = Message(id=payload["messageId"], role=payload["role"], name=payload["name"])
        is_busy = self._read.state == "running" and self._last_type != "RUN_STARTED"  # with that one it begins
        if message.is_the_persons and is_busy and self._read.text_request is None:
            message.unread = True
            self._unread[message.id] = message
        self._add(message)
        self._messages[message.id] = message

    def _text_message_end(self, payload: Mapping[str, Any]) -> None:
        message = self._messages.pop(payload["messageId"], None)
        if message is None:
            self._began_before()
            return
        message.content = payload["content"]
        message.stopped = bool(payload.get("stopped"))
        message.writing = False
        message.end_seq = self._seq
        if message.is_the_persons and self._read.state == "idle":
            self._read.state = "queued"

    def _tool_call_start(self, payload: Mapping[str, Any]) -> None:
        call = ToolCall(id=payload["toolCallId"], tool=payload["toolCallName"], agent=payload["name"])
        self._add(call)
        self._calls.append(call)

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
        call = self._open_call(payload)
        if call is None:
            self._began_before()
            return
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
        else:
            self._began_before()

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
        request = request_of(payload, self._open_call(payload) if payload.get("toolCallId") else None)
        if request.call:
            request.call.state = "held"
        self._add(request)
        self._read.open_requests.append(request)
        self._read.state = "waiting"

    def _input_answered(self, payload: Mapping[str, Any]) -> None:
        still_open = self._read.open_requests
        request = next((each for each in still_open if each.id == payload["request"]), None)
        if request is None:
            self._began_before()
            return
        still_open.remove(request)
        take_answer(request, payload)
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
        self._add(Error(id=payload["id"], code=payload["code"], message=translated(payload["message"])))

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

    def _began_before(self) -> None:
        """What ends here began before all that was read, so it went on at each border that there seemed to be."""
        self.borders.clear()

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

    _ENDS: ClassVar[set[str]] = {
        "TEXT_MESSAGE_END",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "TOOL_CALL_RESULT",
        "STEP_FINISHED",
        "INPUT_ANSWERED",
    }
