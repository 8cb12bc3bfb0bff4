"""One pass over the events of a chat session, in order: how each of them changes the transcript.

Without the database. Callers use `transcript.py`, and `live.py` for pages to which events are sent as they happen.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from agentchat.core.file_references import references_in
from agentchat.core.stored_events import log_failure
from agentchat.i18n.system_messages import translated
from agentchat.presentation.file_items import SentFiles
from agentchat.presentation.items import (
    HandoverNews,
    HandoverNote,
    Item,
    Message,
    NestedChats,
    PrintedText,
    RunFailed,
    RunStopped,
    SourceList,
    SummaryNote,
    ToolCall,
    UnreadablePart,
    UsageLine,
    is_shown,
    shown_items,
    whole_of,
)
from agentchat.presentation.reader_state import PageBoundary, ReaderState, Transcript
from agentchat.presentation.requests import apply_answer, request_of
from agentchat.presentation.sources import Source, joined, sources_in
from agentchat.realtime.excerpt import HEAD_CHARS

RUN_ENDS = ("RUN_FINISHED", "RUN_ERROR")
MAX_NESTED_CHATS = 12  # one within the other; what is deeper is shown in the innermost
MAX_PRINTED = HEAD_CHARS  # characters of an item; more that is printed is another one


class TranscriptReader:
    """Applies events one by one. Events of a type that is not shown are ignored."""

    def __init__(self, before: ReaderState | None = None) -> None:
        before = before or ReaderState()
        self.boundaries: list[PageBoundary] = []
        self._turn_usage_before, self._type_before = before.turn_usage, before.last_type  # before the last event
        self._read = Transcript(state=before.state, turn_usage=replace(before.turn_usage))
        self._messages: dict[str, Message] = {}  # those being written
        self._unread: dict[str, Message] = {}  # the user's, which the agent has not asked for yet
        self._calls: list[ToolCall] = []  # those without a result
        self._nested: list[NestedChats] = []  # unfinished, each within the one before
        self._sources: list[Source] = []  # of the answer that is still to come
        self._last_flushed: Item | None = None  # if nothing was added since: its sources may be named
        self._last_type = before.last_type  # of the agent's events
        self._is_handed_over = before.is_handed_over  # to staff
        self.changed: dict[Item, None] = {}  # what the last event has added or changed, in order
        self.has_read_messages = False  # with the last event the agent has read what was unread
        self._may_be_unread = before.state != "idle"  # messages that came before
        for event in before.opened:
            self._seq, self._at = event.seq, event.created_at
            self._METHODS[event.type](self, event.payload)
        self.boundaries.clear()

    def finish(self) -> Transcript:
        """The transcript of the events applied so far."""
        self._read.items = shown_items(self._read.items)
        return self._read

    @property
    def is_settled(self) -> bool:
        """Nothing is unfinished."""
        return not (self._messages or self._calls or self._nested or self._sources or self._read.open_requests)

    def flush(self) -> list[Item]:
        """Remove and return the items that no later event changes. To be called when all is settled."""
        items = shown_items(self._read.items)
        self._last_flushed = items[-1] if items else self._last_flushed
        # More may be printed.
        self._read.items = [items.pop()] if items and isinstance(items[-1], PrintedText) else []
        return items

    def apply(self, event: Any) -> None:
        self.read(event.type, event.seq, event.created_at, event.payload)

    def apply_closing_events(self, events: Iterable[Any]) -> None:
        """Apply what the events finish, and not what they start."""
        if self.is_settled and not self._unread:
            return
        for event in events:
            self._seq = event.seq
            self._mark_read(event.type, event.payload)
            if event.type in self._ENDS:
                self._METHODS[event.type](self, event.payload)
            elif event.type in RUN_ENDS:
                self._close()
            if self.is_settled and not self._unread:
                return
        self._finish_nested(0)  # they continue on the next page

    def read(self, type_: str, seq: int, at: datetime | None, payload: Mapping[str, Any]) -> None:
        """Apply an event. One that cannot be applied is an item of its own: the others are shown."""
        self._seq, self._at = seq, at
        self.changed.clear()
        try:
            self._read_event(type_, seq, at, payload)
        except Exception as error:  # what is stored may be anything
            log_failure(f"event {seq} of {at} ({type_!r:.50})", error)
            self._unreadable(payload)

    def _read_event(self, type_: str, seq: int, at: datetime | None, payload: Mapping[str, Any]) -> None:
        self._read.last_seq, self._read.last_at = seq, at
        self._turn_usage_before = replace(self._read.turn_usage)
        self._type_before = self._last_type
        self._mark_read(type_, payload)
        if at is not None and self._read.turn_usage.apply(type_, at, payload):
            usage = self._read.turn_usage.flush()
            if usage.tokens:
                line = UsageLine(usage=usage, seq=seq, at=at)
                self._read.items.append(line)
                self._mark_changed(line)
        if method := self._METHODS.get(type_):
            method(self, payload)

    def _mark_read(self, type_: str, payload: Mapping[str, Any]) -> None:
        """Mark the user's messages as read once the agent must have asked for input.

        No event says so, but it asks between two messages of its own.
        """
        self.has_read_messages = False
        if payload.get("role") in ("user", "staff") or payload.get("messageId") in self._unread:
            return
        is_next = type_ == "TEXT_MESSAGE_START" and self._last_type == "TEXT_MESSAGE_END"
        if is_next or type_ in ("INPUT_REQUESTED", "RUN_STARTED", "RUN_FINISHED", "RUN_ERROR"):
            for message in self._unread.values():
                message.unread = False
            self.has_read_messages = bool(self._unread) or self._may_be_unread
            self._may_be_unread = False
            self._unread.clear()
        if type_ not in ("USAGE", "SOURCES", "HISTORY_SUMMARIZED"):
            self._last_type = type_

    def _mark_changed(self, *items: Item) -> None:
        self.changed.update(dict.fromkeys(items))

    @property
    def _current_items(self) -> list[Item]:
        """The list that the next item belongs to."""
        return self._nested[-1].items if self._nested else self._read.items

    def _add(self, item: Item) -> None:
        item.seq, item.at, self._last_flushed = self._seq, self._at, None
        if self.is_settled and item.may_begin_page:
            before = ReaderState(
                state=self._read.state,
                turn_usage=self._turn_usage_before,
                last_type=self._type_before,
                is_handed_over=self._is_handed_over,
            )
            self.boundaries.append(PageBoundary(seq=self._seq, item=item, index=0, before=before))
        is_unasked = isinstance(item, Message) and item.is_from_user and self._read.text_request is None
        if self._nested and not is_unasked:
            item.within = self._nested[-1].key
            self._nested[-1].items.append(item)
        else:
            # An unprompted message of the user's does not belong to a nested chat, and is not collapsed with it.
            self._read.items.append(item)
        self._mark_changed(item)

    def _text_message_start(self, payload: Mapping[str, Any]) -> None:
        message = Message(id=payload["messageId"], role=payload["role"], name=payload["name"])
        is_busy = (
            self._read.state in ("running", "outside") and self._last_type != "RUN_STARTED"
        )  # the message that starts a run is read at once
        if message.is_from_user and is_busy and self._read.text_request is None:
            message.unread = True
            self._unread[message.id] = message
        message.to_staff = message.is_from_user and self._is_handed_over
        self._add(message)
        self._messages[message.id] = message

    def _text_message_end(self, payload: Mapping[str, Any]) -> None:
        message = self._messages.pop(payload["messageId"], None)
        if message is None:
            self._started_earlier()
            return
        message.content, message.whole = payload["content"], whole_of(payload, "content", self._seq)
        message.stopped, message.cut_off = bool(payload.get("stopped")), payload.get("finishReason")
        message.files = references_in(payload.get("files"))
        message.writing = False
        message.end_seq = self._seq
        if self._sources and message.may_have_sources:
            message.sources, self._sources = joined(self._sources), []
        self._mark_changed(message)
        if message.is_from_user and self._read.state == "idle":
            self._read.state = "queued"

    def _reasoning_message_end(self, payload: Mapping[str, Any]) -> None:
        """What the model has thought: shown with the message, whose END follows."""
        if message := self._messages.get(payload["messageId"]):
            message.thoughts = payload.get("content") or ""
            message.whole_thoughts = whole_of(payload, "content", self._seq)
            message.thought_ms = payload["durationMs"]

    def _sources_named(self, payload: Mapping[str, Any]) -> None:
        sources = list(sources_in(payload))
        last = next((each for each in reversed(self._current_items) if is_shown(each)), self._last_flushed)
        if isinstance(last, Message) and last.may_have_sources:
            last.sources = joined(last.sources, sources)
            self._mark_changed(last)
        else:
            self._sources = joined(self._sources, sources)

    def _history_summarized(self, payload: Mapping[str, Any]) -> None:
        self._add(SummaryNote(text=payload["summary"], messages=payload["messages"]))

    def _add_sources(self) -> None:
        """No answer has followed on these: they are shown by themselves."""
        if self._sources:
            sources, self._sources = self._sources, []
            self._add(SourceList(sources=sources))

    def _tool_call_start(self, payload: Mapping[str, Any]) -> None:
        id_, tool, visible = payload["toolCallId"], payload["toolCallName"], payload.get("visible")
        self._add(call := ToolCall(id=id_, tool=tool, agent=payload["name"], visible=visible))
        self._calls.append(call)

    def _open_call(self, payload: Mapping[str, Any]) -> ToolCall | None:
        """The last unfinished call with this id: models reuse ids in later turns."""
        return next((call for call in reversed(self._calls) if call.id == payload["toolCallId"]), None)

    def _tool_call_args(self, payload: Mapping[str, Any]) -> None:
        if call := self._open_call(payload):
            call.args += payload["args"]
            call.whole_args = call.whole_args or whole_of(payload, "args", self._seq)
            self._mark_changed(call)

    def _tool_call_end(self, payload: Mapping[str, Any]) -> None:
        if call := self._open_call(payload):
            call.state = "running"
            self._mark_changed(call)

    def _tool_call_result(self, payload: Mapping[str, Any]) -> None:
        call = self._open_call(payload)
        if call is None:
            self._started_earlier()
            return
        self._calls.remove(call)
        self._mark_changed(call)
        call.result, call.whole_result = payload["content"], whole_of(payload, "content", self._seq)
        if call.state != "refused":
            call.state = "done" if payload["ok"] else "failed"
            call.duration_ms = payload["durationMs"]

    def _step_started(self, payload: Mapping[str, Any]) -> None:
        if len(self._nested) == MAX_NESTED_CHATS:
            return
        nested = NestedChats(step=payload["stepName"], name=payload["name"])
        self._add(nested)
        self._nested.append(nested)

    def _step_finished(self, payload: Mapping[str, Any]) -> None:
        names = [nested.step for nested in self._nested]
        if payload["stepName"] in names:
            self._finish_nested(len(names) - 1 - names[::-1].index(payload["stepName"]))
        else:
            self._started_earlier()

    def _finish_nested(self, first: int) -> None:
        """Finish this one and those within it."""
        for nested in self._nested[first:]:
            nested.finished = True
            self._mark_changed(nested)
        del self._nested[first:]

    def _printed(self, payload: Mapping[str, Any]) -> None:
        last = next((item for item in reversed(self._current_items) if is_shown(item)), None)
        text = payload["text"]
        if not isinstance(last, PrintedText) or last.length + len(text) > MAX_PRINTED:
            last = PrintedText(may_begin_page=isinstance(last, PrintedText), whole=whole_of(payload, "text", self._seq))
            self._add(last)
        self._mark_changed(last)
        last.add(text)

    def _input_requested(self, payload: Mapping[str, Any]) -> None:
        self._add_sources()
        request = request_of(payload, self._open_call(payload) if payload.get("toolCallId") else None)
        if request.call:
            request.call.state, request.call.colleague = "held", request.colleague
            self._mark_changed(request.call)
        self._add(request)
        self._read.open_requests.append(request)
        self._read.state = "waiting"

    def _input_answered(self, payload: Mapping[str, Any]) -> None:
        still_open = self._read.open_requests
        request = next((each for each in still_open if each.id == payload["request"]), None)
        if request is None:
            self._started_earlier()
            return
        still_open.remove(request)
        apply_answer(request, payload)
        self._mark_changed(*filter(None, [request.call, request]))
        if not still_open:
            self._read.state = "running"

    def _handover_requested(self, payload: Mapping[str, Any]) -> None:
        self._add(HandoverNote(what="taken" if payload.get("taken") else "asked"))
        self._read.state, self._is_handed_over = "waiting", True

    def _handover_ended(self, payload: Mapping[str, Any]) -> None:
        what: HandoverNews = "expired" if payload.get("expired") else "returned" if payload["name"] else "ended"
        self._add(HandoverNote(what=what, name=payload["name"]))
        self._read.state, self._is_handed_over = "running", False

    def _usage(self, payload: Mapping[str, Any]) -> None:
        usage = self._read.usage
        usage.prompt_tokens += payload["promptTokens"]
        usage.completion_tokens += payload["completionTokens"]
        usage.cost += payload.get("cost") or 0.0

    def _run_started(self, payload: Mapping[str, Any]) -> None:
        self._read.state = "running"

    def _run_waiting(self, payload: Mapping[str, Any]) -> None:
        self._read.state = "running" if payload.get("over") else "outside"

    def _run_finished(self, payload: Mapping[str, Any]) -> None:
        self._close()
        if payload["outcome"].get("type") == "cancelled":
            self._add(RunStopped())

    def _run_error(self, payload: Mapping[str, Any]) -> None:
        self._close()
        detail = payload.get("detail") or ""
        text = translated(payload, "message")
        self._add(RunFailed(id=payload["id"], code=payload["code"], message=text, detail=detail))

    def _unreadable(self, payload: Mapping[str, Any]) -> None:
        self._add(UnreadablePart())

    def _close(self) -> None:
        """The run is over: what is unfinished stays unfinished."""
        self._mark_changed(*self._calls, *self._messages.values(), *self._read.open_requests)
        for call in self._calls:
            call.state = "cut"
        for message in self._messages.values():
            message.writing, message.stopped = False, True
        self._calls.clear()
        self._messages.clear()
        self._finish_nested(0)
        self._add_sources()
        for request in self._read.open_requests:
            request.state = "closed"
        self._read.open_requests.clear()
        self._read.state = "idle"

    def _started_earlier(self) -> None:
        """What ends here started before the first event, so it was unfinished at every boundary found so far."""
        self.boundaries.clear()

    _METHODS: ClassVar[dict[str, Any]] = {
        "TEXT_MESSAGE_START": _text_message_start,
        "TEXT_MESSAGE_END": _text_message_end,
        "REASONING_MESSAGE_END": _reasoning_message_end,
        "SOURCES": _sources_named,
        "FILE_SENT": lambda self, payload: self._add(SentFiles.of_event(payload)),
        "HISTORY_SUMMARIZED": _history_summarized,
        "TOOL_CALL_START": _tool_call_start,
        "TOOL_CALL_ARGS": _tool_call_args,
        "TOOL_CALL_END": _tool_call_end,
        "TOOL_CALL_RESULT": _tool_call_result,
        "STEP_STARTED": _step_started,
        "STEP_FINISHED": _step_finished,
        "PRINTED": _printed,
        "INPUT_REQUESTED": _input_requested,
        "INPUT_ANSWERED": _input_answered,
        "HANDOVER_REQUESTED": _handover_requested,
        "HANDOVER_JOINED": lambda self, payload: self._add(HandoverNote(what="joined", name=payload["name"])),
        "HANDOVER_ENDED": _handover_ended,
        "USAGE": _usage,
        "RUN_STARTED": _run_started,
        "RUN_WAITING": _run_waiting,
        "RUN_FINISHED": _run_finished,
        "RUN_ERROR": _run_error,
        "UNREADABLE": _unreadable,
    }

    _ENDS: ClassVar[set[str]] = {
        "REASONING_MESSAGE_END",
        "TEXT_MESSAGE_END",
        "TOOL_CALL_ARGS",
        "TOOL_CALL_END",
        "TOOL_CALL_RESULT",
        "STEP_FINISHED",
        "INPUT_ANSWERED",
    }
