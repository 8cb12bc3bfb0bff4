"""The load of agentchat on Redis, as Redis reports it: connections, and commands while it is down."""

import asyncio
import contextlib
import json
import uuid

import pytest
import redis
from channels.layers import get_channel_layer
from websockets.sync.client import connect

from agentchat.infra import loop_scope
from agentchat.realtime import chat_list
from agentchat.realtime.hub import Hub
from agentchat.realtime.publish import publish_soon, send_direct_soon
from agentchat.realtime.relay import link as link_module
from agentchat.realtime.relay import receiver as receiver_module
from agentchat.realtime.relay.link import RelayLink
from agentchat.realtime.subscriber import Subscriber
from agentchat.testing import say
from tests.services.redis import are_over_and_logged_once, outages

MANY = 20


def connections(own_redis):
    """The connected clients, without the one that asks."""
    with redis.Redis.from_url(own_redis.url) as client:
        me = str(client.client_id())
        return [each for each in client.client_list() if each["id"] != me]


def that_subscribe(clients):
    return [each for each in clients if each["sub"] != "0"]


async def until(holds):
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.fixture
def channel_layer(own_redis, settings):
    """The channel layer of settings, in this process."""
    hosts = [{"address": own_redis.url, "socket_timeout": 2, "socket_connect_timeout": 1}]
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": hosts}}}
    return get_channel_layer()


@pytest.fixture
async def process(channel_layer):
    """A server's hub, its notifier of lists of chats, and its link to other processes."""
    hub = Hub()
    notifier = chat_list.ChatListNotifier(hub, asyncio.get_running_loop())

    async def owners_of(session_ids):
        return {}

    link = RelayLink(
        hub,
        channel_layer,
        owners_of=owners_of,
        on_direct={},
        on_list=notifier.on_change,
        on_recovery=lambda: None,
        process="server",
    )
    await until(lambda: link.is_connected)
    yield hub, notifier, link
    await link.close()
    await channel_layer.flush()


@pytest.fixture
def without_server(monkeypatch):
    """What is sent here is sent as by a command."""
    monkeypatch.setattr(loop_scope, "_current", None)


async def test_subscribers_lists_and_notifications_share_two_connections(process, own_redis):
    hub, notifier, link = process
    database, heard = [], []

    async def read(after):
        return database[after:]

    async def send(text):
        heard.append(json.loads(text)["seq"])

    async def close():
        raise AssertionError("too slow")

    chats = [uuid.uuid4() for _ in range(MANY)]
    subscribers = [
        asyncio.create_task(Subscriber(chat, 0, send=send, read=read, close=close, hub=hub).run()) for chat in chats
    ]
    groups = [chat_list.group_of_owner(number, "") for number in range(MANY)]
    for group in groups:
        notifier.subscribe(group, lambda group=group: heard.append(group))
    await until(lambda: len(link.receiver._joined) == 2 * MANY)
    database.append({"type": "PRINTED", "seq": 1})
    for chat, group in zip(chats, groups, strict=True):
        hub.publish(chat, database)
        hub.sender.notify(chat, 1)
        notifier.notify(group)
    await until(lambda: len(heard) == 2 * MANY)
    await hub.sender.finish()
    assert len(that_subscribe(connections(own_redis))) == 1
    assert len(connections(own_redis)) == 2
    for each in subscribers:
        each.cancel()


async def test_all_that_a_command_sends_goes_through_one_connection(process, own_redis, without_server):
    _, notifier, link = process
    before = len(connections(own_redis))
    group, heard = chat_list.group_of_owner(1, ""), []
    notifier.subscribe(group, lambda: heard.append(group))
    await until(lambda: group in link.receiver._joined)
    frame = {"type": "PRINTED", "seq": 1}

    def command(number):
        publish_soon(uuid.uuid4(), [frame], None)
        send_direct_soon("server", "run.stop", number, None)
        chat_list.notify_group(group)

    await asyncio.gather(*(asyncio.to_thread(command, number) for number in range(MANY)))
    await until(lambda: len(heard) == MANY)
    assert len(connections(own_redis)) == before + 1


async def test_a_layer_that_does_not_receive_any_more_gets_new_connections(
    process, own_redis, without_server, monkeypatch, caplog
):
    monkeypatch.setattr(receiver_module, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(receiver_module, "HEARTBEAT_UNAVAILABLE_SECONDS", 0.05)
    monkeypatch.setattr(receiver_module, "MAX_UNDELIVERED", 5)
    monkeypatch.setattr(link_module, "RESTART_SECONDS", 0.01)
    _, notifier, link = process
    group, heard = chat_list.group_of_owner(1, ""), []
    notifier.subscribe(group, lambda: heard.append(group))
    await until(lambda: group in link.receiver._joined)
    silent = link.receiver._channel
    loop_layer = link.layer.channel_layer._get_layer()
    (shard,) = loop_layer._shards
    shard._receive_task.cancel()
    await until(lambda: not link.is_connected)
    await until(lambda: link.is_connected and group in link.receiver._joined)
    assert link.receiver._channel != silent
    assert len([message for message in caplog.messages if "accepts messages but delivers none" in message]) == 1
    await asyncio.to_thread(chat_list.notify_group, group)
    await until(lambda: heard)
    assert set(loop_layer.channels) == {link.receiver._channel}, "nothing is left of the one before"
    assert len(that_subscribe(connections(own_redis))) == 1


# --- two sites ------------------------------------------------------------------------------------------------------


class ListPage:
    """A page's list of chats."""

    def __init__(self, socket):
        self.socket, self.statuses = socket, {}
        self.socket.send(json.dumps({"type": "hello", "after": 0}))

    def until(self, session_id, status):
        """Wait until the list says this of the chat; it reads the database every ten seconds by itself."""
        while self.statuses.get(session_id) != status:
            frame = json.loads(self.socket.recv(timeout=30))
            self.statuses |= {row["id"]: row["status"] for row in frame.get("chats", ())}


@pytest.fixture
def list_page():
    with contextlib.ExitStack() as sockets:

        def open_page(site, visitor):
            address, headers = f"{site.url.replace('http', 'ws')}/ws/chats/", {"Cookie": visitor.cookie}
            socket = connect(address, origin=site.url, additional_headers=headers, proxy=None, close_timeout=1)
            return ListPage(sockets.enter_context(socket))

        yield open_page


def test_each_site_subscribes_once_whatever_the_number_of_pages(two_sites, guest, llm, list_page, own_redis):
    visitor = guest(two_sites[0])
    first = visitor.new_chat("errands")
    first.send("Good morning")
    first.wait_for("INPUT_REQUESTED")
    before = connections(own_redis)
    pages = [visitor.open(first.session_id, site) for site in two_sites for _ in range(MANY)]
    shown = [list_page(site, visitor) for site in two_sites for _ in range(MANY)]
    for page in pages:
        page.wait_for("INPUT_REQUESTED")
    for page in shown:
        page.until(first.session_id, "waiting")
    after = connections(own_redis)
    assert len(that_subscribe(before)) == len(that_subscribe(after)) == len(two_sites)
    # The cache has a few of its own: one for each thread that asked it at once.
    assert len(after) < len(before) + MANY


def test_an_outage_is_two_lines_in_the_log_however_many_lists_are_shown_and_rung(
    two_sites, guest, llm, list_page, own_redis, eventually
):
    visitor = guest(two_sites[0])
    chat = visitor.new_chat("errands")
    shown = [list_page(site, visitor) for site in two_sites for _ in range(3)]
    chat.send("Good morning")
    for page in shown:
        page.until(chat.session_id, "waiting")
    own_redis.kill()
    for number in (1, 2, 3):
        llm.replies(say(f"Round {number}. TERMINATE"))
        chat.send(f"tell {number}")
        chat.wait_for("PRINTED", text=f"Round {number} is over.\n")
    # Two events that change a list, in each round.
    eventually(lambda: all("the channel layer is unavailable" in site.log.read_text() for site in two_sites))
    own_redis.start()
    for site in two_sites:
        eventually(lambda site=site: are_over_and_logged_once(outages(site)))
        assert len(outages(site)) == site.log.read_text().count("channel layer")
    for page in shown:
        page.until(chat.session_id, "waiting")
