"""An OpenAI-compatible server on 127.0.0.1 with scripted answers, which a test may add while it runs.

It speaks both APIs, whichever a request is of: chat completions, and responses (`responses_dialect`).

It has an event loop of its own in a daemon thread: every method here may be called from any thread. The answers
themselves are in `script`.
"""

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any

from agentchat.testing.script import WAIT_S, Scripted, fail

RequestBody = dict[str, Any]
ScriptEntry = Scripted | Callable[[RequestBody], Scripted]

KEY = "sk-scripted-0123456789"
MODEL = "scripted"


class ScriptedLLM:
    """Plays the script, one answer for each request, and records the requests.

    Use it in a `with` block: leaving it raises AssertionError if there was a request without a scripted answer.
    """

    def __init__(self) -> None:
        self.requests: list[RequestBody] = []
        """The JSON bodies, in the order in which they arrived."""
        self.headers: list[dict[str, str]] = []
        """Their headers, names in lower case."""
        self.paths: list[str] = []
        self.connections = 0
        """Connections opened so far."""
        self.disconnections = 0
        """Answers whose client left before their end."""
        self._port = 0
        self._script: deque[ScriptEntry] = deque()
        self._always: ScriptEntry | None = None
        self._problems: list[str] = []
        self._changed = threading.Condition()
        self._requests_seen = self._disconnections_seen = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="scripted-llm", daemon=True)

    # --- the script --------------------------------------------------------------------------------------------------

    def replies(self, *answers: ScriptEntry) -> None:
        """Script the answers to the next requests. A function gets the request and returns the answer."""
        with self._changed:
            self._script.extend(answers)

    def always(self, answer: ScriptEntry) -> None:
        """Script the answer to every request that has no other one."""
        with self._changed:
            self._always = answer

    # --- its address -------------------------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def config_list(self) -> list[dict[str, Any]]:
        return [{"model": MODEL, "api_key": KEY, "base_url": self.base_url}]

    def llm_config(self, **overrides: Any) -> dict[str, Any]:
        return {"config_list": self.config_list, **overrides}

    def environment(self) -> dict[str, str]:
        """The variables with which `llm_config()` finds it, for a process that the test starts."""
        model = {"OPENAI_BASE_URL": self.base_url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": MODEL}
        return {**model, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

    # --- its requests ------------------------------------------------------------------------------------------------

    def wait_for_request(self, timeout: float = WAIT_S) -> RequestBody:
        """Block until there is a request that this has not returned before, and return it."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) > self._requests_seen, timeout):
                raise AssertionError(f"no request within {timeout} s, after {self._requests_seen}")
            self._requests_seen += 1
            return self.requests[self._requests_seen - 1]

    def wait_for_disconnect(self, timeout: float = WAIT_S) -> None:
        """Block until a client has disconnected before the end of its answer; each call waits for another one."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.disconnections > self._disconnections_seen, timeout):
                raise AssertionError(f"no client left within {timeout} s, after {self._disconnections_seen}")
            self._disconnections_seen += 1

    # --- lifecycle ---------------------------------------------------------------------------------------------------

    def __enter__(self) -> "ScriptedLLM":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if kind is None:
            self.check()

    def start(self) -> None:
        """Start to listen; return when it does."""
        self._thread.start()
        with self._changed:
            if not self._changed.wait_for(lambda: self._port, WAIT_S):
                raise AssertionError("the scripted LLM could not listen on 127.0.0.1")

    def close(self) -> None:
        """Close all connections. Returns when its thread has ended."""
        if self._loop is not None and self._closing is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join(WAIT_S)

    def check(self) -> None:
        """Raise AssertionError if there was a request without a scripted answer."""
        if self._problems:
            raise AssertionError("the scripted LLM: " + "; ".join(self._problems))

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        connections: set[asyncio.Task[None]] = set()

        def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = asyncio.ensure_future(self._serve_connection(reader, writer))
            connections.add(connection)
            connection.add_done_callback(connections.discard)

        self._closing = asyncio.Event()
        server = await asyncio.start_server(on_connection, "127.0.0.1", 0, backlog=1024)
        async with server:
            with self._changed:
                self._loop = asyncio.get_running_loop()
                self._port = server.sockets[0].getsockname()[1]
                self._changed.notify_all()
            await self._closing.wait()
            for connection in connections:
                connection.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    # --- HTTP --------------------------------------------------------------------------------------------------------

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            while request := await _read(reader):
                if not await self._answer(request, reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has disconnected between two requests
        finally:
            writer.close()

    async def _answer(
        self, request: "_HttpRequest", reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Play the next answer; false if the connection must not go on."""
        answer = self._next_answer(request)
        playing = asyncio.ensure_future(_play(answer, request.body, writer))
        leaving = asyncio.ensure_future(reader.read(1))  # clients send nothing before they have the answer
        try:
            await asyncio.wait({playing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if playing.done():
                with contextlib.suppress(ConnectionError):
                    return playing.result()
            with self._changed:
                self.disconnections += 1
                self._changed.notify_all()
            return False
        finally:
            playing.cancel()
            leaving.cancel()
            await asyncio.gather(playing, leaving, return_exceptions=True)

    def _next_answer(self, request: "_HttpRequest") -> Scripted:
        with self._changed:
            self.requests.append(request.body)
            self.headers.append(request.headers)
            self.paths.append(request.path)
            answer = self._script.popleft() if self._script else self._always
            self._changed.notify_all()
        if answer is None:
            return self._problem(f"nothing is written for request {len(self.requests)}: {_last_message(request.body)}")
        if isinstance(answer, Scripted):
            return answer
        try:
            return answer(request.body)
        except Exception as error:
            return self._problem(f"the function that should answer raised {error!r}")

    def _problem(self, message: str) -> Scripted:
        self._problems.append(message)
        return fail(400, f"the scripted LLM: {message}")


@dataclass(frozen=True, kw_only=True)
class _HttpRequest:
    path: str
    headers: dict[str, str]
    body: RequestBody


async def _read(reader: asyncio.StreamReader) -> _HttpRequest | None:
    """The next request of a connection; None at its end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return _HttpRequest(path=first.split()[1], headers=headers, body=json.loads(body or b"{}"))


async def _play(answer: Scripted, request: RequestBody, writer: asyncio.StreamWriter) -> bool:
    """Send the answer; false if it ends with a broken connection."""
    if answer.ending == "never begins":
        await answer.gate.let_pass(0)
        return False
    headers = {"content-type": "text/event-stream", **answer.headers, "transfer-encoding": "chunked"}
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    async for chunk in _paced_chunks(answer, request):
        writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        await writer.drain()
    if answer.ending == "cut":
        return False
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


async def _paced_chunks(answer: Scripted, request: RequestBody) -> AsyncIterator[bytes]:
    for position, chunk in enumerate(answer.chunks(request)):
        await answer.gate.let_pass(position)
        if chunk:
            yield chunk
        if answer.delay:
            await asyncio.sleep(answer.delay)
    if answer.ending == "cut":
        await answer.gate.let_pass(len(answer.text) + len(answer.calls))


def _last_message(request: RequestBody) -> str:
    messages = request.get("messages") or request.get("input") or [{}]
    return repr(messages[-1])[:200]
