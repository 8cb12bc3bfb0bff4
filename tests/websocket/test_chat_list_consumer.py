"""The list of chats over its websocket: whose it is, what it shows, and when."""

import asyncio
import json
import uuid
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from channels.layers import BaseChannelLayer
from django.test import Client
from django.utils import timezone

from agentchat import server
from agentchat.actions import chats, messages
from agentchat.core import registry
from agentchat.infra.channel_layer import chat_list_changed
from agentchat.models import ChatSession, Event, Run
from agentchat.realtime import chat_list
from agentchat.runs import runner as runner_module
from agentchat.runs.runner import runner
from agentchat.visitors import GUEST_KEY, Visitor, guest_digest
from agentchat.websocket import chat_list_consumer, chat_list_feed
from agentchat.websocket.client_frames import MAX_FRAME_BYTES
from agentchat.websocket.connections import CloseCode, current_connections
from tests import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest.fixture(autouse=True)
def hosts(settings):
    settings.ALLOWED_HOSTS = [factories.HOST]
    settings.AGENTCHAT = {"GUESTS": True}


@pytest.fixture(autouse=True)
async def server_loop():
    server.start()
    yield
    await server.stop()


@pytest.fixture(autouse=True)
def no_refresh(monkeypatch):
    """What is seen here was notified."""
    monkeypatch.setattr(chat_list_feed, "REFRESH_INTERVAL_SECONDS", 60.0)


class Tab(factories.Tab):
    """A page with a list: it holds what the frames make of it."""

    def __init__(self, client, **headers):
        super().__init__(client, "/ws/chats/", **headers)
        self.rows = {}
        self.frames = []
        self.inbox = []

    async def open(self):
        opened = await super().open()
        if opened:
            await self.send(type="hello", after=0)
        return opened

    async def next(self):
        """The next frame, but for those of the inbox."""
        while (frame := await super().next())["type"] == "inbox":
            self.inbox.append(frame)
        return frame

    async def closed(self):
        return await self.closed_at_last()

    async def take(self):
        frame = await self.next()
        assert frame["type"] == "chats", frame
        self.frames.append(frame)
        self.rows |= {row["id"]: row for row in frame["chats"]}
        for gone in frame["gone"]:
            del self.rows[gone]
        return self

    async def take_until(self, holds):
        while not holds(self):
            await self.take()

    @property
    def titles(self):
        return [row["title"] for row in sorted(self.rows.values(), key=lambda row: row["at"], reverse=True)]

    def status(self, session):
        return self.rows.get(str(session.pk), {}).get("status")


@sync_to_async
def chat_of(user, title="", *, status=Run.Status.FINISHED, agent="oracle"):
    chat = ChatSession.objects.create(owner=user, agent=agent, title=title, next_seq=2)
    Run.objects.create(session=chat, number=1, agent=agent, status=status)
    return chat


@pytest.fixture
async def ada():
    user = await sync_to_async(factories.account)("ada")
    user.client = await sync_to_async(factories.signed_in)(user)
    return user


@pytest.fixture
async def tab(ada):
    tab = Tab(ada.client)
    assert await tab.open()
    while not (tab.frames and tab.inbox):
        frame = await factories.Tab.next(tab)
        (tab.inbox if frame["type"] == "inbox" else tab.frames).append(frame)
    yield tab
    await tab.close()


@pytest.fixture
def asks():
    @registry.on_connect("asks")
    def asks(iostream):
        iostream.input()
        iostream.input("Well?")
        raise RuntimeError("on purpose")

    yield "asks"
    registry.unregister("asks")


# --- what it shows ---------------------------------------------------------------------------------------------------


async def test_the_first_frame_has_the_whole_list_with_its_statuses(ada):
    for status in (Run.Status.QUEUED, Run.Status.RUNNING, Run.Status.WAITING, Run.Status.FAILED, Run.Status.STOPPED):
        await chat_of(ada, str(status), status=status)
    await sync_to_async(ChatSession.objects.create)(owner=ada, agent="oracle")  # nothing was sent in it
    tab = Tab(ada.client)
    assert await tab.open()
    await tab.take()
    assert tab.frames[0]["all"] is True
    assert {row["title"]: row["status"] for row in tab.rows.values()} == {
        "queued": "running",
        "running": "running",
        "waiting": "idle",  # it has asked nothing: it waits for the next message
        "failed": "failed",
        "stopped": "idle",
    }
    assert tab.titles == ["stopped", "failed", "waiting", "running", "queued"]
    assert set(tab.frames[0]["chats"][0]) == {"id", "title", "agent", "status", "at"}
    await tab.close()


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ({"kind": "text", "prompt": "Which city?"}, "waiting"),
        ({"kind": "text", "prompt": " \n"}, "idle"),
        ({"kind": "approval", "prompt": ""}, "waiting"),
        ({"kind": "form", "prompt": ""}, "waiting"),
    ],
)
async def test_a_chat_waits_for_a_person_who_was_asked_something(ada, question, status):
    chat = await chat_of(ada, "a chat", status=Run.Status.WAITING)
    older = {"type": "INPUT_REQUESTED", "payload": {"request": "one", "kind": "text", "prompt": "Before?"}}
    newest = {"type": "INPUT_REQUESTED", "payload": {"request": "two", **question}}
    for seq, fields in enumerate((older, newest), start=1):
        await Event.objects.acreate(session=chat, seq=seq, **fields)
    tab = Tab(ada.client)
    assert await tab.open()
    await tab.take()
    assert tab.status(chat) == status
    await tab.close()


async def test_a_run_shows_in_every_tab_of_its_owner_from_its_start_to_its_end(ada, asks, tab):
    other = Tab(ada.client)
    assert await other.open()
    session = await chat_of(ada, agent="asks")
    visitor = Visitor(user=ada)
    await sync_to_async(messages.send)(session.pk, visitor, client_id=uuid.uuid4(), text="Will it rain?")
    for each in (tab, other):
        await each.take_until(lambda tab: tab.status(session) == "waiting")
        assert each.titles == ["Will it rain?"]
    await sync_to_async(messages.send)(session.pk, visitor, client_id=uuid.uuid4(), text="I see")
    for each in (tab, other):
        await each.take_until(lambda tab: tab.status(session) == "failed")
    await other.close()


async def test_a_title_of_a_model_comes_by_itself_until_the_owner_gives_another(ada, tab, settings, monkeypatch):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "TITLES": "model"}
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "0")
    registry.on_connect("answers")(lambda iostream: iostream.post(f"About: {iostream.input()}"))
    session, visitor = await chat_of(ada, agent="answers"), Visitor(user=ada)
    text = "Hello, can you find my lost luggage please?"
    await sync_to_async(messages.send)(session.pk, visitor, client_id=uuid.uuid4(), text=text)
    await tab.take_until(lambda tab: tab.titles == ["Can you find my lost luggage"])
    assert tab.rows[str(session.pk)]["byModel"] is True
    await sync_to_async(chats.rename)(session.pk, visitor, "Luggage")
    await tab.take_until(lambda tab: tab.titles == ["Luggage"])
    assert "byModel" not in tab.rows[str(session.pk)]
    registry.unregister("answers")


async def test_a_failure_that_the_owner_has_seen_is_no_news(ada, tab):
    seen, looked_at = await chat_of(ada, "one"), await chat_of(ada, "two")
    await sync_to_async(Run.objects.update)(status=Run.Status.FAILED)
    await sync_to_async(chat_list.notify_owner)(ada.pk)
    await tab.take_until(lambda tab: tab.status(seen) == tab.status(looked_at) == "failed")
    await tab.send(type="seen", chat=str(seen.pk))
    await tab.take_until(lambda tab: tab.status(seen) == "idle")
    assert tab.status(looked_at) == "failed"
    await sync_to_async(ada.client.get)(looked_at.get_absolute_url())
    await sync_to_async(chat_list.notify_owner)(ada.pk)
    await tab.take_until(lambda tab: tab.status(looked_at) == "idle")
    await sync_to_async(Run.objects.create)(session=seen, number=2, agent="oracle", status=Run.Status.FAILED)
    await sync_to_async(chat_list.notify_owner)(ada.pk)
    await tab.take_until(lambda tab: tab.status(seen) == "failed")


async def test_renaming_deleting_and_taking_back_show_at_once(ada, tab):
    chat, visitor = await chat_of(ada, "one"), Visitor(user=ada)
    await sync_to_async(chats.rename)(chat.pk, visitor, " A new\nname ")
    await tab.take_until(lambda tab: tab.titles == ["A new name"])
    await sync_to_async(chats.delete)(chat.pk, visitor)
    await tab.take_until(lambda tab: tab.titles == [])
    await sync_to_async(chats.restore)(chat.pk, visitor)
    await tab.take_until(lambda tab: tab.titles == ["A new name"])


async def test_a_guest_who_signs_in_brings_their_chats_into_the_open_list(ada, tab):
    guest = Client()
    await sync_to_async(guest.get)("/chat/")

    @sync_to_async
    def chats_of_guest():
        session = guest.session
        session[GUEST_KEY] = "k" * 32
        session.save()
        guest.cookies["sessionid"] = session.session_key
        ChatSession.objects.create(guest_key=guest_digest("k" * 32), agent="oracle", title="As a guest", next_seq=2)
        guest.post("/accounts/login/", {"username": "ada", "password": "secret"})

    await chats_of_guest()
    await tab.take_until(lambda tab: tab.titles == ["As a guest"])


async def test_the_list_is_read_again_without_a_notification(ada, monkeypatch):
    monkeypatch.setattr(chat_list_feed, "REFRESH_INTERVAL_SECONDS", 0.6)
    tab = Tab(ada.client)
    assert await tab.open()
    await tab.take()
    await chat_of(ada, "unheard of")
    await tab.take_until(lambda tab: tab.titles == ["unheard of"])
    await tab.close()


# --- whose it is ----------------------------------------------------------------------------------------------------


async def test_a_list_shows_no_chats_of_others(ada, tab):
    eve = await sync_to_async(factories.account)("eve")
    await chat_of(eve, "of eve")
    await sync_to_async(ChatSession.objects.create)(guest_key="k" * 32, agent="oracle", title="a guest's", next_seq=2)
    for owner in ((eve.pk,), (None, "k" * 32), (ada.pk,)):
        await sync_to_async(chat_list.notify_owner)(*owner)
    await chat_of(ada, "of ada")
    await sync_to_async(chat_list.notify_owner)(ada.pk)
    await tab.take_until(lambda tab: tab.titles)
    assert tab.titles == ["of ada"]


async def test_the_names_of_groups_give_no_key_away():
    assert "secret-key" not in chat_list.group_of_owner(None, "secret-key")
    assert chat_list.group_of_owner(None, "1") != chat_list.group_of_owner(1, "")
    assert BaseChannelLayer().require_valid_group_name(chat_list.group_of_owner(None, "secret-key"))


async def test_a_page_of_another_origin_opens_no_list(ada):
    assert not await Tab(ada.client, origin="http://evil.example").open()


async def test_signing_out_closes_the_open_list(ada, tab):
    await current_connections().revalidate()
    await tab.send(type="ping")
    assert await tab.next() == {"type": "pong"}
    await sync_to_async(ada.client.logout)()
    await current_connections().revalidate()
    assert await tab.closed() == CloseCode.SIGN_IN


async def test_a_deactivated_user_is_out_of_the_open_list(ada, tab):
    ada.is_active = False
    await sync_to_async(ada.save)()
    await current_connections().revalidate()
    assert await tab.closed() == CloseCode.SIGN_IN


async def test_a_server_that_stops_says_come_back(tab):
    await server.stop()
    assert await tab.closed() == CloseCode.RESTART


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [" ", "{", '{"type": "send", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "text": "x"}', '{"type": "stop"}'],
)
async def test_what_is_no_frame_of_a_list_is_rejected_and_the_socket_lives(tab, text):
    await tab.socket.send_to(text_data=text)
    assert (await tab.next())["type"] == "rejected"
    await tab.send(type="hello", after=0)
    assert (await tab.next())["code"] == "hello_again"
    await tab.send(type="ping")
    assert await tab.next() == {"type": "pong"}


async def test_a_flood_of_frames_is_closed(tab):
    for _ in range(400):
        await tab.send(type="nonsense")
    assert await tab.closed_at_last() == CloseCode.TOO_MANY


async def test_the_newest_hundred_fit_into_one_frame_whatever_they_are_called(ada):
    @sync_to_async
    def many():
        ChatSession.objects.bulk_create(
            ChatSession(owner=ada, agent="🦄" * 100, title="🦄" * 200, next_seq=2) for _ in range(120)
        )

    await many()
    tab = Tab(ada.client)
    assert await tab.open()
    while (frame := json.loads(text := await tab.socket.receive_from(timeout=10)))["type"] == "inbox":
        pass
    assert len(text.encode()) <= MAX_FRAME_BYTES
    assert (len(frame["chats"]), frame["all"]) == (100, False)
    await tab.close()


async def test_what_falls_off_a_full_list_is_not_reported_as_gone(ada, monkeypatch):
    for module in (chat_list_feed, chat_list_consumer):
        monkeypatch.setattr(module, "MAX_CHATS", 2)
    first, second = await chat_of(ada, "1"), await chat_of(ada, "2")
    for chat, days in ((first, 2), (second, 1)):
        old = timezone.now() - timedelta(days=days)
        await sync_to_async(ChatSession.objects.filter(pk=chat.pk).update)(updated_at=old)
    tab = Tab(ada.client)
    assert await tab.open()
    await tab.take()
    third = await chat_of(ada, "3")
    await sync_to_async(chat_list.notify_owner)(ada.pk)
    await tab.take_until(lambda tab: "3" in tab.titles)
    assert tab.frames[-1]["gone"] == []
    await sync_to_async(chats.delete)(third.pk, Visitor(user=ada))
    await tab.take_until(lambda tab: "3" not in tab.titles)
    await tab.close()


async def test_a_client_that_acknowledges_nothing_is_sent_no_more_until_it_does(ada, tab, monkeypatch):
    monkeypatch.setattr(chat_list_consumer, "MAX_UNACKNOWLEDGED", 0)
    await chat_of(ada, "one")
    await sync_to_async(chat_list.notify_owner)(ada.pk)
    assert await tab.socket.receive_nothing(timeout=1.5)
    await tab.send(type="ack", seq=0, bytes=10_000)
    await tab.take_until(lambda tab: tab.titles == ["one"])


async def test_changes_in_quick_succession_are_read_twice_a_second_at_most(ada, tab, monkeypatch):
    reads = []
    read = chat_list_feed._read
    monkeypatch.setattr(chat_list_feed, "_read", lambda visitor: reads.append(1) or read(visitor))
    chat = await chat_of(ada, "one")
    began = asyncio.get_running_loop().time()
    for number in range(50):
        await sync_to_async(chats.rename)(chat.pk, Visitor(user=ada), str(number))
    await tab.take_until(lambda tab: tab.titles == ["49"])
    assert len(reads) <= 2 + 2 * (asyncio.get_running_loop().time() - began)


async def test_a_closed_list_leaves_nothing_behind(ada, tab):
    assert chat_list.current_notifier()._listeners
    await tab.close()
    assert not chat_list_feed.current_feeds()._feeds
    assert not chat_list.current_notifier()._listeners


# --- other processes ------------------------------------------------------------------------------------------------


class Wire(BaseChannelLayer):
    """A channel layer between processes, of which this is one. tests/realtime/relay/test_link.py has two."""

    def __init__(self):
        super().__init__()
        self.groups, self.messages, self.sent, self.is_dead = {}, asyncio.Queue(), [], False

    async def new_channel(self, prefix="specific"):
        return f"{prefix}.1"

    async def group_add(self, group, channel):
        self.groups.setdefault(group, set()).add(channel)

    async def group_discard(self, group, channel):
        self.groups.get(group, set()).discard(channel)

    async def group_send(self, group, message):
        if self.is_dead:
            raise ConnectionError("the layer is dead")
        self.sent.append((group, message["type"]))
        if self.groups.get(group):
            self.messages.put_nowait(message)

    async def receive(self, channel):
        message = await self.messages.get()
        if message is None:
            raise ConnectionError("the layer is dead")
        return message


@pytest.fixture
async def wire(server_loop, monkeypatch):
    """The server's link to other processes goes through this."""
    wire = Wire()
    monkeypatch.setattr(runner_module, "layer_between_processes", lambda: wire)
    runner.link = runner._make_link()
    async with asyncio.timeout(10):
        while not runner.link.is_connected:
            await asyncio.sleep(0.005)
    yield wire
    await runner.link.close()
    runner.link = None


async def test_notifications_of_another_process_are_received_again_after_the_layer_was_dead(ada, wire, tab):
    group = chat_list.group_of_owner(ada.pk, "")
    for number in range(2):
        await chat_of(ada, str(number))
        await wire.messages.put(chat_list_changed(group, "another process"))
        await tab.take_until(lambda tab, number=number: str(number) in tab.titles)
        await wire.messages.put(None)
        async with asyncio.timeout(10):
            while runner.link.is_connected:
                await asyncio.sleep(0.005)
            while not runner.link.is_connected:
                await asyncio.sleep(0.005)
    assert len(wire.groups[group]) == 1


async def test_a_notification_reaches_other_processes_and_a_dead_layer_stops_no_change(ada, wire, tab):
    await sync_to_async(chats.rename)((await chat_of(ada, "one")).pk, Visitor(user=ada), "two")
    await tab.take_until(lambda tab: tab.titles == ["two"])
    assert (chat_list.group_of_owner(ada.pk, ""), "chat_list.changed") in wire.sent
    wire.is_dead = True
    await sync_to_async(chats.rename)(uuid.UUID(next(iter(tab.rows))), Visitor(user=ada), "three")
    await tab.take_until(lambda tab: tab.titles == ["three"])
