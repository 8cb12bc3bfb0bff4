"""A browser's page, without the browser: it says hello, collects its frames, and reconnects whenever it is cut off.

What it has sent it sends again after a lost connection, until it sees it in the transcript; so does the real page.
"""

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

from tests.sites import Site

Frame = dict[str, Any]
Decide = Callable[["Page", Frame], Frame | None]
"""The answer to a question for an approval; None: not now."""

WAIT_S = 40.0
COME_BACK_S = 0.05


class Guest:
    """A guest in one browser. `decide` is their answer when they are asked for an approval."""

    def __init__(self, site: Site, decide: Decide) -> None:
        self._site, self._decide = site, decide
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))
        self._pages: list[Page] = []

    @property
    def cookie(self) -> str:
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)

    def new_chat(self, agent: str) -> "Page":
        """Make a chat session, and open its page."""
        if not self.cookie:
            self._opener.open(f"{self._site.url}/chat/", timeout=WAIT_S).close()
        token = next(cookie.value for cookie in self._cookies if cookie.name == "csrftoken")
        form = urlencode({"agent": agent, "csrfmiddlewaretoken": token}).encode()
        with self._opener.open(Request(f"{self._site.url}/chat/", form), timeout=WAIT_S) as answer:
            session_id = answer.url.rstrip("/").rpartition("/")[2]
        return self.open(session_id, self._site)

    def open(self, session_id: str, site: Site) -> "Page":
        """Open a page of a chat session, at this site (there may be several on one database)."""
        self._pages.append(page := Page(site, self.cookie, session_id, self._decide))
        return page

    def close(self) -> None:
        for page in self._pages:
            page.close()


@dataclass
class Written:
    """What deltas have made of a message, the last attempt of it."""

    text: str = ""
    attempt: int = 0
    connection: int = 0
    """The connection that brought the deltas; another one begins at offset 0 again."""

    def take(self, delta: Frame, connection: int) -> None:
        assert delta["attempt"] >= self.attempt, "an attempt that was given up goes on"
        if (delta["attempt"], connection) != (self.attempt, self.connection):
            assert delta["offset"] == 0, f"a message begins in its middle: {delta}"
            self.text, self.attempt, self.connection = "", delta["attempt"], connection
        assert delta["offset"] == len(self.text.encode("utf-16-le")) // 2, f"deltas with a gap: {delta}"
        self.text += delta["delta"]


class Page:
    """One chat session in a browser. It has a thread of its own; every method may be called from any other."""

    def __init__(self, site: Site, cookie: str, session_id: str, decide: Decide) -> None:
        self.session_id = session_id
        self.events: list[Frame] = []
        """The stored events, in the order in which they arrived."""
        self.written: dict[str, Written] = {}
        """What deltas have made of each message."""
        self.whole: set[str] = set()
        """The messages whose END came by the connection that brought all their deltas."""
        self.rejected: list[Frame] = []
        self.connections = 0
        self._site, self._cookie, self._decide = site, cookie, decide
        self._unseen: dict[str, Frame] = {}
        self._socket: ClientConnection | None = None
        self._closing = threading.Event()
        self._changed = threading.Condition()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._live, name=f"page of {session_id}", daemon=True)
        self._thread.start()

    # --- what the user does ----------------------------------------------------------------------------------------

    def send(self, text: str) -> str:
        """Say something. Return the id of the message."""
        return self._say({"type": "send", "id": (id_ := str(uuid.uuid4())), "text": text}, until=id_)

    def answer(self, request: str, value: Any) -> str:
        """Answer a question. Return the id of the frame."""
        return self._say({"type": "answer", "id": str(uuid.uuid4()), "request": request, "value": value}, until=request)

    def stop(self) -> None:
        """Stop the run, as the button does."""
        assert self._socket is not None
        self._transmit(self._socket, {"type": "stop"})

    def wait_for(self, type_: str, *, count: int = 1, **fields: Any) -> Frame:
        """Wait until `count` events of this type with these fields have arrived; return the last of them."""

        def found() -> list[Frame]:
            return [event for event in self.events if event["type"] == type_ and fields.items() <= event.items()]

        self.wait_until(lambda: len(found()) >= count, f"{count} {type_} with {fields}")
        return found()[count - 1]

    def wait_until(self, holds: Callable[[], Any], what: str) -> None:
        """Wait until something holds of what has come."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._failure or holds(), WAIT_S):
                tail = [f"{event['seq']} {event['type']}" for event in self.events[-8:]]
                raise AssertionError(f"{self.session_id}: no {what} within {WAIT_S:g} s; the last events are {tail}")
            if self._failure is not None:
                raise self._failure

    def close(self) -> None:
        self._closing.set()
        if self._socket is not None:
            self._socket.close()
        self._thread.join(WAIT_S)

    # --- what the page does ----------------------------------------------------------------------------------------

    def _say(self, frame: Frame, *, until: str) -> str:
        """Send a frame, again after each lost connection until its event has arrived."""
        with self._changed:
            self._unseen[until] = frame
            socket = self._socket
        if socket is not None:
            self._transmit(socket, frame)
        return frame["id"]

    def _transmit(self, socket: ClientConnection, frame: Frame) -> None:
        try:
            socket.send(json.dumps(frame))
        except ConnectionClosed:
            return  # it is sent again with the next connection

    def _live(self) -> None:
        while not self._closing.is_set():
            try:
                self._watch()
            except (OSError, WebSocketException):
                self._closing.wait(COME_BACK_S)  # no server there, or not any more
            except BaseException as failure:
                with self._changed:
                    self._failure = failure
                    self._changed.notify_all()
                return

    def _connect(self) -> ClientConnection:
        address = f"{self._site.url.replace('http', 'ws')}/ws/chat/{self.session_id}/"
        headers = {"Cookie": self._cookie}
        try:
            return connect(address, origin=self._site.url, additional_headers=headers, proxy=None, close_timeout=1)
        except AssertionError as error:
            raise ConnectionError("cut off before the handshake") from error  # websockets 17.4 does not expect that

    def _watch(self) -> None:
        """One connection, to its end."""
        with self._connect() as socket:
            self.connections += 1
            self._transmit(socket, {"type": "hello", "after": self.events[-1]["seq"] if self.events else 0})
            with self._changed:
                self._socket = socket
                unseen = list(self._unseen.values())
            for frame in unseen:
                self._transmit(socket, frame)
            try:
                for text in socket:
                    self._take(json.loads(text))
            finally:
                self._socket = None

    def _take(self, frame: Frame) -> None:
        with self._changed:
            if "seq" in frame:
                self._take_event(frame)
            elif frame["type"] == "TEXT_MESSAGE_CONTENT":
                self.written.setdefault(frame["messageId"], Written()).take(frame, self.connections)
            elif frame["type"] == "rejected":
                self.rejected.append(frame)
            self._changed.notify_all()
        if frame["type"] == "INPUT_REQUESTED" and frame["kind"] == "approval" and (said := self._decide(self, frame)):
            self.answer(frame["request"], said)

    def _take_event(self, event: Frame) -> None:
        last = self.events[-1]["seq"] if self.events else 0
        assert event["seq"] == last + 1, f"event {event['seq']} came after {last}"
        self.events.append(event)
        if event["type"] == "TEXT_MESSAGE_END":
            self._unseen.pop(event["messageId"], None)
            written = self.written.get(event["messageId"])
            if written is not None and written.connection == self.connections:
                self.whole.add(event["messageId"])
        elif event["type"] == "INPUT_ANSWERED":
            self._unseen.pop(event["request"], None)
