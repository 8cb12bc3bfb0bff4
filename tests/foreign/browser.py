"""A browser without a network: it speaks ASGI with an application, and keeps cookies as browsers do, by their paths.

For processes that have a project of their own: nothing here needs pytest, or the settings of these tests.
"""

import html
import json
import re
from collections.abc import Callable
from http.cookies import Morsel, SimpleCookie
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from asgiref.testing import ApplicationCommunicator
from channels.testing import WebsocketCommunicator

TIMEOUT_S = 20
REDIRECTS = (301, 302, 303)


class Page:
    def __init__(self, path: str, status: int, headers: dict[str, str], text: str) -> None:
        self.path, self.status, self.headers, self.text = path, status, headers, text

    def attribute(self, name: str) -> str:
        """The first value of this attribute in the page."""
        found = re.search(rf'{name}="([^"]*)"', self.text)
        assert found, f"no {name} on {self.path}:\n{self.text[:4000]}"
        return html.unescape(found[1])

    def hidden(self, name: str) -> str:
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, f"no field {name} on {self.path}:\n{self.text[:4000]}"
        return html.unescape(found[1])

    def link(self, words: str) -> str:
        """Where the link with these words leads."""
        found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>(?:<[^>]*>|\s)*{words}', self.text)
        assert found, f"no link {words!r} on {self.path}:\n{self.text[:4000]}"
        return html.unescape(found[1])

    def form(self, words: str) -> str:
        """Where the form with the button `words` leads."""
        found = re.search(rf'<form [^>]*action="([^"]*)"[^>]*>(?:(?!</form>).)*{words}', self.text, re.DOTALL)
        assert found, f"no form {words!r} on {self.path}:\n{self.text[:4000]}"
        return html.unescape(found[1])


class Browser:
    """It shows pages of `origin`. A proxy may change the path that it asks for (`proxy`), the host and the headers; a
    server may say what of the path is not the application's (`root_path`).
    """

    def __init__(
        self, application: Any, *, origin: str, host: str, proxy: Callable[[str], str], root_path: str, **headers: str
    ) -> None:
        self.application, self.origin, self.host, self.proxy, self.headers = application, origin, host, proxy, headers
        self.root_path = root_path
        self._cookies: dict[tuple[str, str], Morsel[str]] = {}

    # --- pages -------------------------------------------------------------------------------------------------------

    async def get(self, path: str, *, status: int = 200) -> Page:
        return await self._follow("GET", path, b"", status)

    async def post(self, path: str, *, on: Page, status: int = 200, **fields: str) -> Page:
        """Send a form of this page."""
        body = urlencode({"csrfmiddlewaretoken": on.hidden("csrfmiddlewaretoken"), **fields}).encode()
        return await self._follow("POST", path, body, status)

    async def _follow(self, method: str, path: str, body: bytes, status: int) -> Page:
        for _ in range(8):
            page = await self._request(method, path, body)
            if page.status not in REDIRECTS:
                assert page.status == status, f"{method} {path}: {page.status}\n{page.text[:4000]}"
                return page
            target = urlsplit(urljoin(path, page.headers["location"]))
            method, path, body = "GET", target.path + (f"?{target.query}" if target.query else ""), b""
        raise AssertionError(f"an endless redirect: {path}")

    async def _request(self, method: str, address: str, body: bytes) -> Page:
        path, _, query = address.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": self.proxy(path),
            "root_path": self.root_path,
            "query_string": query.encode(),
            "headers": self._headers(path, (b"content-type", b"application/x-www-form-urlencoded")),
            "client": ["127.0.0.1", 40000],
            "server": ["127.0.0.1", 8000],
        }
        asked = ApplicationCommunicator(self.application, scope)
        await asked.send_input({"type": "http.request", "body": body})
        start = await asked.receive_output(TIMEOUT_S)
        found = b""
        while True:
            part = await asked.receive_output(TIMEOUT_S)
            found += part.get("body", b"")
            if not part.get("more_body"):
                break
        await asked.wait(TIMEOUT_S)
        headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        for name, value in start["headers"]:
            if name.lower() == b"set-cookie":
                self._keep(value.decode())
        return Page(path, start["status"], headers, found.decode())

    # --- cookies -----------------------------------------------------------------------------------------------------

    def _keep(self, text: str) -> None:
        for morsel in SimpleCookie(text).values():
            where = (morsel["path"] or "/", morsel.key)
            assert len(text) <= 4096, f"browsers drop the cookie {morsel.key}: it is {len(text)} bytes long"
            if morsel["max-age"] == 0 or not morsel.value:
                self._cookies.pop(where, None)
            else:
                self._cookies[where] = morsel

    def _headers(self, path: str, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        def covers(cookie_path: str) -> bool:
            return path == cookie_path or path.startswith(cookie_path.rstrip("/") + "/")

        cookies = "; ".join(f"{name}={each.coded_value}" for (at, name), each in self._cookies.items() if covers(at))
        return [
            (b"host", self.host.encode()),
            (b"origin", self.origin.encode()),
            (b"cookie", cookies.encode()),
            *((name.replace("_", "-").encode(), value.encode()) for name, value in self.headers.items()),
            *more,
        ]

    # --- websockets --------------------------------------------------------------------------------------------------

    async def socket(self, path: str) -> "Socket":
        socket = WebsocketCommunicator(self.application, self.proxy(path), self._headers(path))
        socket.scope["root_path"] = self.root_path
        connected, why = await socket.connect(timeout=TIMEOUT_S)
        assert connected, f"{path} was refused: {why}"
        return Socket(path, socket)


class Socket:
    def __init__(self, path: str, socket: WebsocketCommunicator) -> None:
        self.path, self._socket = path, socket

    async def send(self, **frame: Any) -> None:
        await self._socket.send_to(text_data=json.dumps(frame))

    async def until(self, type_: str) -> dict[str, Any]:
        while True:
            message = await self._socket.receive_output(TIMEOUT_S)
            assert message["type"] == "websocket.send", f"{self.path} was closed: {message}"
            frame: dict[str, Any] = json.loads(message["text"])
            assert frame["type"] not in ("rejected", "RUN_ERROR"), frame
            if frame["type"] == type_:
                return frame

    async def close(self) -> None:
        await self._socket.disconnect(timeout=TIMEOUT_S)
