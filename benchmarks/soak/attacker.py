"""A hostile guest: what all attacks need, and which attacks there are."""

import json
import random
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress

from benchmarks.soak.guests import Guest, Refused
from benchmarks.soak.raw_socket import RawSocket

ROUND_SECONDS = 8.0
"""How long one round of an attack goes on, at most."""

CHATS_OF_AN_IDENTITY = 12
"""After so many chats an attacker throws their cookies away."""


class Attacker:
    """One hostile guest, who may come back as somebody else, but from the same address."""

    def __init__(self, url: str, address: str, seed: int) -> None:
        self.guest = Guest(url, address)
        self.random = random.Random(seed)
        self._number_of_chats = 0
        self._chats: dict[str, uuid.UUID] = {}

    async def new_chat(self, agent: str = "parrot") -> uuid.UUID:
        """A chat of this guest's, or of the one whose cookies the attacker makes up next. Raise Refused if no one's."""
        self._number_of_chats += 1
        if self._number_of_chats % CHATS_OF_AN_IDENTITY == 0:
            self.guest.forget()
            self._chats.clear()
        try:
            chat = await self.guest.new_chat(agent)
        except Refused:
            if agent in self._chats:
                return self._chats[agent]
            raise
        self._chats[agent] = chat
        return chat

    async def chat(self, agent: str = "parrot") -> uuid.UUID:
        """The chat with this agent that was made last."""
        return self._chats.get(agent) or await self.new_chat(agent)

    def socket(self, chat: uuid.UUID, *, receive_buffer: int | None = None) -> RawSocket:
        return RawSocket(self.guest, f"/ws/chat/{chat}/", receive_buffer=receive_buffer)


Attack = Callable[[Attacker], Awaitable[str]]
"""One round. Return how the server answered, in a word or two: a status, or a close code."""


def hello(**fields: object) -> bytes:
    return json.dumps({"type": "hello", "after": 0, **fields}).encode()


def message(text: str) -> bytes:
    return json.dumps({"type": "send", "id": str(uuid.uuid4()), "text": text}).encode()


async def outcome_of(socket: RawSocket) -> str:
    """What the server did with this socket in the end. Waits for it."""
    with suppress(OSError):
        await socket.drain()
    return f"closed {socket.close_code or 'without a code'}"
