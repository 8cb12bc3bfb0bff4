"""The objects of a streamed answer: its bytes split into lines, events and JSON. What they mean is `stream_parser`'s.

The stream is Server-Sent Events, written by OpenAI or by a server that is more or less compatible: any line end,
comments and empty events to keep the connection alive, a byte order mark, no blank after "data:", no blank line between
events, JSON without "data:". No I/O: the caller reads the connection and feeds it.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from agentchat.errors import LLMStreamTruncated

MAX_LINE_BYTES = 16 * 2**20  # a server that never ends its line must not fill the memory
MAX_DEPTH = 1_000  # of an object within others
_TOO_DEEP = "a chunk of the answer is nested too deeply"
_BOM = b"\xef\xbb\xbf"
_FIELDS = (b"event", b"id", b"retry", b"data", b"")  # "" is a comment
_WORDS = re.compile(rb"[^\d{\[]|\[[A-Za-z]")
_HEARTBEATS = (b"ping", b"heartbeat", b"keepalive", b"keep-alive")  # names of events

_MARK = re.compile(rb'["{}\[\]]|\\.', re.DOTALL)  # an escape hides the quotation mark behind it

_decode = json.JSONDecoder(strict=False).decode  # some servers write tabs and line breaks into texts as they are


class EventStream:
    """Yields each object as soon as its last byte is there. Raise LLMStreamTruncated for what is not a stream at all.

    `done` is set at the server's end marker: what follows is ignored. `noise` is the last line that was neither an
    event nor a comment: words for an error message, should the stream end too early.
    """

    def __init__(self) -> None:
        self.done = False
        self.noise = ""
        self._line: list[bytes] = []
        self._line_length = 0
        self._carriage_return = b""
        self._at_start = True
        self._event = b""
        self._object = _PartialObject()
        self._is_bare = False  # the object has begun without "data:"

    def feed(self, data: bytes) -> Iterator[Any]:
        """The objects that these bytes complete; they may be cut anywhere."""
        if self._carriage_return or b"\r" in data:
            data = self._with_line_feeds(data)
        *lines, rest = data.split(b"\n")
        for line in lines:
            if self._line:
                line = b"".join([*self._line, line])
                self._line, self._line_length = [], 0
            yield from self._parse_line(line)
        if rest:
            self._line.append(rest)
            self._line_length += len(rest)
            if self._line_length > MAX_LINE_BYTES:
                raise LLMStreamTruncated(f"a line of the answer is longer than {MAX_LINE_BYTES} bytes")

    def close(self) -> Iterator[Any]:
        """The objects of the last line, which may lack its end."""
        if self._line or self._carriage_return:
            yield from self.feed(b"\n")

    def _with_line_feeds(self, data: bytes) -> bytes:
        data, self._carriage_return = self._carriage_return + data, b""
        if data.endswith(b"\r"):  # its line feed may be in the next bytes
            data, self._carriage_return = data[:-1], b"\r"
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _parse_line(self, line: bytes) -> Iterator[Any]:
        if self._at_start:
            line, self._at_start = line.removeprefix(_BOM), False
        if self.done:
            return
        if line.startswith(b"data:"):
            if self._is_bare:  # it was no object, but words in braces
                self._note(self._object.text)
                self._object, self._is_bare = _PartialObject(), False
            yield from self._parse_data(line[5:])
        elif self._is_bare or line.startswith(b"{"):
            self._is_bare = True
            yield from self._parse_data(line)
            self._is_bare = bool(self._object)
        elif not line.strip():
            self._event = b""
            if self._object:
                raise LLMStreamTruncated(f"a chunk of the answer is not JSON: {self._object.text[:80]!r}")
        else:
            name, _, value = line.partition(b":")
            if name == b"event":
                self._event = value.strip()
            elif name not in _FIELDS:
                self._note(line)

    def _parse_data(self, data: bytes) -> Iterator[Any]:
        event, self._event = self._event, b""
        if not self._object:
            data = data.strip()
            if not data or event in _HEARTBEATS:
                return
            if data.strip(b'"').upper() == b"[DONE]":
                self.done = True
                return
            if _WORDS.match(data):  # one more heartbeat, or a failure that is no JSON
                self._note(data)
                if event == b"error":
                    yield {"error": self.noise}
                return
        # An object may span several lines, up to a blank line; some servers send no blank lines at all.
        value = None if self._object else _decoded(data)
        if value is None:
            self._object.add(data)
            value = self._object.value()
        if value is None:
            self._event = event
            return
        self._object = _PartialObject()
        is_error = event == b"error" and not (isinstance(value, dict) and value.get("error"))
        yield {"error": value} if is_error else value

    def _note(self, line: bytes) -> None:
        self.noise = line[:200].decode("utf-8", "replace").strip()


class _PartialObject:
    """An object that spans several lines. It is decoded once, where all that it opens is closed: time is linear."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._length = 0
        self._depth = 0
        self._is_in_text = False
        self._is_invalid = False

    def __bool__(self) -> bool:
        return bool(self._lines)

    @property
    def text(self) -> bytes:
        return b"\n".join(self._lines)

    def add(self, line: bytes) -> None:
        """Raise LLMStreamTruncated if it becomes too long."""
        self._lines.append(line)
        self._length += len(line) + 1
        if self._length > MAX_LINE_BYTES:
            raise LLMStreamTruncated(f"a chunk of the answer is longer than {MAX_LINE_BYTES} bytes")
        for found in _MARK.finditer(line):
            mark = found[0]
            if mark == b'"':
                self._is_in_text = not self._is_in_text
            elif not self._is_in_text and len(mark) == 1:
                self._depth += 1 if mark in b"{[" else -1

    def value(self) -> Any:
        """The object; None if more lines belong to it. Raise LLMStreamTruncated if it cannot be read."""
        if self._depth > MAX_DEPTH:
            raise LLMStreamTruncated(_TOO_DEEP)
        if self._depth > 0 or self._is_in_text or self._is_invalid:
            return None
        value = _decoded(self.text)
        self._is_invalid = value is None  # no further line will mend it
        return value


def _decoded(data: bytes) -> Any:
    """The value, None if it is not JSON. Raise LLMStreamTruncated if it is nested too deeply to be read."""
    try:
        return _decode(data.decode("utf-8", "replace"))
    except ValueError:
        return None
    except RecursionError as error:
        raise LLMStreamTruncated(_TOO_DEEP) from error
