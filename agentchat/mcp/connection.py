"""One connection to an MCP server: opened at the first use, closed with the execution of the run that it belongs to.

It has an event loop in a thread of its own. There one task opens the SDK's client, waits, and closes it: the SDK's task
groups must be left by the task that has entered them, and an agent's thread has no task that lives that long.
"""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import httpx2

from agentchat.core.log import get_logger
from agentchat.core.secrets import mask
from agentchat.errors import ConfigError, ToolError, text_of
from agentchat.mcp.servers import McpServer

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import Tool as OfferedTool

T = TypeVar("T")

OPEN_SECONDS = 30.0
_TIMEOUT = httpx2.Timeout(OPEN_SECONDS, read=None)  # how long a call may take is the tool's own affair
MAX_PAGES = 20  # of a list of tools

logger = get_logger(__name__)


def check_installed() -> None:
    """Raise ConfigError if the SDK is not there."""
    try:
        import mcp.client  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"mcp_tools() needs a package that is not installed ({error.name}): pip install 'agentchat[mcp]'"
        ) from error


class McpConnection:
    """From any thread, and from any event loop. What goes wrong is a ToolError, with a message for the model."""

    def __init__(self, server: McpServer) -> None:
        self.server = server
        self._lock = threading.Lock()
        self._live: _LiveClient | None = None
        self._is_closed = False

    async def offered(self) -> "list[OfferedTool]":
        """What the server says of its tools."""

        async def every_page(client: "Client") -> "list[OfferedTool]":
            tools, cursor = [], None
            for _ in range(MAX_PAGES):
                page = await client.list_tools(cursor=cursor)
                tools += page.tools
                if (cursor := page.next_cursor) is None:
                    return tools
            raise ToolError(f"MCP server {self.server.key!r}: its list of tools has more than {MAX_PAGES} pages")

        return await self._with_client(every_page, "its tools cannot be listed")

    async def call(self, tool: str, arguments: dict[str, Any]) -> Any:
        """Call a tool by the server's own name; return a `CallToolResult`, or an `InputRequiredResult`."""

        async def call(client: "Client") -> Any:
            return await _call(client, tool, arguments)

        return await self._with_client(call, "the call may or may not have taken effect")

    async def _with_client(self, work: "Callable[[Client], Awaitable[T]]", what_then: str) -> T:
        from mcp import MCPError
        from mcp.types import CONNECTION_CLOSED

        live = self._opened()
        try:
            client = await asyncio.shield(asyncio.wrap_future(live.client))
        except Exception as error:
            self._forget(live)
            raise ToolError(f"MCP server {self.server.key!r} cannot be reached: {_reason(error)}") from error
        try:
            return await asyncio.wrap_future(live.submit(work, client))
        except ToolError:
            raise
        except MCPError as error:
            if error.code == CONNECTION_CLOSED:
                self._forget(live)
                raise self._broken(error, what_then) from error
            raise ToolError(f"MCP server {self.server.key!r} answered with an error: {error.message}") from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # its time is up: the server is told, and the connection stays
            self._forget(live)
            raise self._broken(None, what_then) from None
        except Exception as error:
            self._forget(live)
            raise self._broken(error, what_then) from error

    def _broken(self, error: Exception | None, what_then: str) -> ToolError:
        reason = "" if error is None else f" ({_reason(error)})"
        return ToolError(f"MCP server {self.server.key!r}: the connection broke{reason}; {what_then}")

    def _opened(self) -> "_LiveClient":
        with self._lock:
            if self._is_closed:
                raise ToolError(f"MCP server {self.server.key!r}: its connection ended with the execution of the run")
            if self._live is None or self._live.has_ended:
                self._live = _LiveClient(self.server)
            return self._live

    def _forget(self, live: "_LiveClient") -> None:
        """The next call makes a connection anew."""
        with self._lock:
            if self._live is live:
                self._live = None
        live.close()

    def close(self) -> None:
        """Does not block: the thread ends by itself, after a second or two for a server that does not end at once."""
        with self._lock:
            self._is_closed, live = True, self._live
        if live is not None:
            live.close()


class _LiveClient:
    """The SDK's client, and the thread in which it lives."""

    def __init__(self, server: McpServer) -> None:
        self.client: Future[Client] = Future()
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"agentchat-mcp-{server.prefix}", daemon=True)
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def submit(self, work: "Callable[[Client], Awaitable[T]]", client: "Client") -> "Future[T]":
        """Raise RuntimeError if it has ended."""

        async def awaited() -> T:
            return await work(client)

        coroutine = awaited()
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise

    def close(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._end.set)
        except RuntimeError:
            return  # it has ended already, and its loop is closed

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._live())
        except BaseException as error:
            if self.client.done():
                logger.info("the connection to MCP server %r ended: %s", self._server.key, _reason(error))
            else:
                self.client.set_exception(error if isinstance(error, Exception) else ToolError(repr(error)))

    async def _live(self) -> None:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(OPEN_SECONDS):
                client = await stack.enter_async_context(await _client(self._server, stack))
            client.session.validate_tool_result = _unchecked  # type: ignore[method-assign]  # see there
            self.client.set_result(client)
            await self._end.wait()


async def _client(server: McpServer, stack: AsyncExitStack) -> "Client":
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client
    from mcp.client.streamable_http import streamable_http_client

    if server.url:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=dict(server.headers), timeout=_TIMEOUT))
        return Client(streamable_http_client(server.url, http_client=http), cache=None)
    command, *arguments = server.command
    parameters = StdioServerParameters(command=command, args=arguments, env=dict(server.env), cwd=server.cwd)
    return Client(stdio_client(parameters, errlog=sys.__stderr__ or sys.stderr), cache=None)


async def _call(client: "Client", tool: str, arguments: dict[str, Any]) -> Any:
    """Without the SDK's own loop of questions, which would wait for a person while the connection is open."""
    from mcp import MCPError
    from mcp.types import HEADER_MISMATCH

    try:
        return await client.session.call_tool(tool, arguments, allow_input_required=True)
    except MCPError as error:
        if error.code != HEADER_MISMATCH:
            raise
        await client.session.list_tools()  # which says what headers its calls have; the call was refused unread
        return await client.session.call_tool(tool, arguments, allow_input_required=True)


async def _unchecked(name: str, result: Any) -> None:
    """Instead of the SDK's check of results, which lists the tools again, and lets the server's patterns backtrack."""


def _reason(error: BaseException) -> str:
    """What has failed, of a group of tasks the first of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError) and not str(error):
        return f"no answer within {OPEN_SECONDS:g} s"
    return mask(text_of(error))
