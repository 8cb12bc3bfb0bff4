"""HTTP clients of the site's own: an entry's `http_client`, for proxies, certificates or sign-in of its own.

An asynchronous client is used as it is. A synchronous one, as classic code has them, sends in threads: Stop ends the
wait for it at once, and its connection closes with the next piece of the answer.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

import httpx2

from agentchat.core.async_bridge import begin_in_thread, contained

T = TypeVar("T")


def async_client_of(client: Any) -> Any:
    """A client for the SDK that sends through this one."""
    if inspect.iscoroutinefunction(client.send):
        return client
    return httpx2.AsyncClient(transport=_ThreadTransport(client), follow_redirects=True)


class _ThreadTransport(httpx2.AsyncBaseTransport):
    def __init__(self, client: Any) -> None:
        self._client = client

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        sent = self._client.build_request(
            request.method,
            str(request.url),
            headers=request.headers.multi_items(),
            content=await request.aread(),
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        sending = begin_in_thread(_contained(lambda: self._client.send(sent, stream=True)))
        try:
            response = await asyncio.wrap_future(sending)
        except asyncio.CancelledError:
            sending.add_done_callback(_close_result)
            raise
        return httpx2.Response(response.status_code, headers=response.headers.raw, stream=_ThreadStream(response))


class _ThreadStream(httpx2.AsyncByteStream):
    def __init__(self, response: Any) -> None:
        self._response = response
        self._pieces: Iterator[bytes] = response.iter_raw()
        self._is_reading = self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await _in_thread(self._next):
            yield piece

    def _next(self) -> bytes:
        self._is_reading = True
        try:
            return next(self._pieces, b"")
        finally:
            self._is_reading = False
            if self._is_closed:
                self._response.close()

    async def aclose(self) -> None:
        # What another thread is reading cannot be closed here: that thread closes it.
        self._is_closed = True
        if not self._is_reading:
            await _in_thread(self._response.close)


def _close_result(sending: "Future[Any]") -> None:
    """Close a response that comes when no one waits for it any more."""
    if sending.exception() is None:
        sending.result().close()


async def _in_thread(function: Callable[[], T]) -> T:
    return await asyncio.wrap_future(begin_in_thread(_contained(function)))


def _contained(function: Callable[[], T]) -> Callable[[], T]:
    def work() -> T:
        with contained("an http_client"):
            return function()

    return work
