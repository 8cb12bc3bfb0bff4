"""Users with browsers, and chats with messages. For tests of pages and sockets without a server."""

import json

from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth import get_user_model
from django.test import Client

from agentchat.models import Event, Run
from agentchat.routing import ExactOriginValidator, websocket_urlpatterns
from agentchat.visitors import GUEST_KEY

HOST = "testserver"
PASSWORD = "secret"

sockets = ExactOriginValidator(URLRouter(websocket_urlpatterns))


# --- browsers -------------------------------------------------------------------------------------------------------


def account(name, **fields):
    return get_user_model().objects.create_user(name, password=PASSWORD, **fields)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def guest(key):
    """The browser of a guest who has chats already."""
    client = Client()
    session = client.session
    session[GUEST_KEY] = key
    session.save()
    return client


class Tab:
    """A browser's tab: the cookies of a client, and a websocket."""

    def __init__(self, client, path, *, origin=f"http://{HOST}", host=HOST):
        cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        headers = [(b"host", host.encode()), (b"cookie", cookie.encode())]
        if origin is not None:
            headers.append((b"origin", origin.encode()))
        self.socket = WebsocketCommunicator(sockets, path, headers)

    async def open(self):
        return (await self.socket.connect(timeout=10))[0]

    async def close(self):
        await self.socket.disconnect(timeout=20)

    async def send(self, **frame):
        await self.socket.send_to(text_data=json.dumps(frame))

    async def next(self):
        return await self.socket.receive_json_from(timeout=10)

    async def until(self, type_):
        frames = []
        while not frames or frames[-1]["type"] != type_:
            frames.append(await self.next())
        return frames

    async def closed(self):
        """The code with which the next message closes it."""
        message = await self.socket.receive_output(timeout=10)
        assert message["type"] == "websocket.close", message
        return message["code"]

    async def closed_at_last(self):
        """The code with which it is closed, whatever is said before."""
        while (message := await self.socket.receive_output(timeout=10))["type"] != "websocket.close":
            pass
        return message["code"]


# --- chats ----------------------------------------------------------------------------------------------------------


def said(message_id, content, role="assistant", name="chatbot"):
    return [
        ("TEXT_MESSAGE_START", {"messageId": message_id, "role": role, "name": name}),
        ("TEXT_MESSAGE_END", {"messageId": message_id, "content": content}),
    ]


def tell(chat, *facts, status=Run.Status.FINISHED):
    """Let a run of this chat have said so."""
    run = Run.objects.create(session=chat, number=1, agent=chat.agent, status=status)
    add(chat, run, *facts)
    return chat


def add(chat, run, *facts):
    Event.objects.bulk_create(
        Event(session=chat, seq=seq, run=run, step_number=seq, type=type_, payload=payload)
        for seq, (type_, payload) in enumerate(facts, chat.next_seq)
    )
    chat.next_seq += len(facts)
    chat.save()
