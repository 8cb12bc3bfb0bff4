"""A websocket that does what no library would: it floods, lies, never reads, and sends frames that do not exist."""

import asyncio
import socket
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from benchmarks.soak.guests import Guest


class RawSocket:
    """Use it in a `with` block. Every call may raise OSError: the server has closed."""

    def __init__(self, guest: Guest, path: str, *, receive_buffer: int | None = None) -> None:
        self._guest = guest
        self._protocol = ClientProtocol(
            parse_uri(guest.url.replace("http", "ws", 1) + path), origin=guest.url, max_size=None
        )
        self._socket = socket.socket()
        self._socket.setblocking(False)
        if receive_buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.bind((guest.address, 0))

    async def open(self) -> None:
        """Connect. Raise OSError if the handshake is refused."""
        loop, address = asyncio.get_running_loop(), urlsplit(self._guest.url)
        await loop.sock_connect(self._socket, (address.hostname, address.port))
        request = self._protocol.connect()
        request.headers["Cookie"] = self._guest.cookie
        self._protocol.send_request(request)
        for data in self._protocol.data_to_send():
            await loop.sock_sendall(self._socket, data)
        while self._protocol.state.name == "CONNECTING":
            if self._protocol.handshake_exc is not None:
                raise ConnectionRefusedError(str(self._protocol.handshake_exc))
            await self._receive()

    async def send(self, data: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> None:
        await self.write(frame(data, opcode, fin=fin))

    async def write(self, data: bytes) -> None:
        """Send any bytes."""
        await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def drain(self) -> int | None:
        """Read, and ignore, until the server closes. Return the close code."""
        while self._protocol.close_rcvd is None and await self._receive():
            self._events()
        return self.close_code

    async def read(self) -> list[str]:
        """What has come by now, at least one text."""
        while True:
            if found := [str(bytes(each.data), "utf-8") for each in self._events() if each.opcode is Opcode.TEXT]:
                return found
            if self._protocol.close_rcvd is not None or not await self._receive():
                raise ConnectionResetError(f"closed with {self.close_code}")

    @property
    def close_code(self) -> int | None:
        """What the server has closed with, as far as that was read."""
        return None if self._protocol.close_rcvd is None else self._protocol.close_rcvd.code

    def _events(self) -> list[Frame]:
        return [each for each in self._protocol.events_received() if isinstance(each, Frame)]

    async def _receive(self) -> bool:
        data = await asyncio.get_running_loop().sock_recv(self._socket, 65_536)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        return bool(data)

    def close(self) -> None:
        """Be gone, without a word."""
        self._socket.close()

    def __enter__(self) -> "RawSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def frame(data: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin=fin).serialize(mask=True)
