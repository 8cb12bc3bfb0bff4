"""What a Redis has to bear of agentchat, as it says itself: connections, and calls while it is away."""

import asyncio
import contextlib
import json
import uuid

import pytest
import redis
from channels.layers import get_channel_layer
from websockets.sync.client import connect

from agentchat.runs import ear as ear_module
from agentchat.runs import link as link_module
from agentchat.runs import lists
from agentchat.runs.hub import Hub, Watcher
from agentchat.runs.link import Link
from agentchat.runs.publish import publish_soon, tell_owner_soon
from agentchat.testing import say
from tests.services.redis import are_over_and_told_of_once, outages

MANY = 20


def connections(own_redis):
    """Who is connected, without whoever asks."""
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
    """A server's hub, its bell, and its link to other processes."""
    hub = Hub()
    bell = lists.Bell(hub)
    bell.start()

    async def owners_of(session_ids):
        return {}

    link = Link(
        hub, channel_layer, owners_of=owners_of, words={}, on_list=bell.heard, on_return=lambda: None, process="server"
    )
    await until(lambda: not link.is_away)
    yield hub, bell, link
    await link.close()
    await channel_layer.flush()


async def test_watchers_lists_and_bells_share_two_connections(process, own_redis):
    hub, bell, link = process
    database, heard = [], []

    async def read(after):
        return database[after:]

    async def send(text):
        heard.append(json.loads(text)["seq"])

    async def close():
        raise AssertionError("too slow")

    chats = [uuid.uuid4() for _ in range(MANY)]
    watchers = [
        asyncio.create_task(Watcher(chat, 0, send=send, read=read, close=close, at=hub).run()) for chat in chats
    ]
    groups = [lists.group_of(number, "") for number in range(MANY)]
    for group in groups:
        bell.listen(group, lambda group=group: heard.append(group))
    await until(lambda: len(link.ear._joined) == 2 * MANY)
    database.append({"type": "PRINTED", "seq": 1})
    for chat, group in zip(chats, groups, strict=True):
        hub.tell(chat, database)
        hub.voice.ring(chat, 1)
        bell.ring(group)
    await until(lambda: len(heard) == 2 * MANY)
    await hub.voice.finish()
    assert len(that_subscribe(connections(own_redis))) == 1
    assert len(connections(own_redis)) == 2
    for watcher in watchers:
        watcher.cancel()


async def test_all_that_a_command_says_goes_through_one_connection(process, own_redis):
    _, bell, link = process
    before = len(connections(own_redis))
    group, heard = lists.group_of(1, ""), []
    bell.listen(group, lambda: heard.append(group))
    await until(lambda: group in link.ear._joined)
    frame = {"type": "PRINTED", "seq": 1}

    def command(number):
        publish_soon(uuid.uuid4(), [frame], None)
        tell_owner_soon("server", "run.stop", number, None)
        lists.Bell(Hub()).ring(group)

    await asyncio.gather(*(asyncio.to_thread(command, number) for number in range(MANY)))
    await until(lambda: len(heard) == MANY)
    assert len(connections(own_redis)) == before + 1


async def test_a_layer_that_does_not_receive_any_more_is_begun_anew_with(process, own_redis, monkeypatch, caplog):
    monkeypatch.setattr(ear_module, "CALL_S", 0.1)
    monkeypatch.setattr(ear_module, "CALL_AWAY_S", 0.05)
    monkeypatch.setattr(ear_module, "DEAF_CALLS", 5)
    monkeypatch.setattr(link_module, "AGAIN_S", 0.01)
    _, bell, link = process
    group, heard = lists.group_of(1, ""), []
    bell.listen(group, lambda: heard.append(group))
    await until(lambda: group in link.ear._joined)
    deaf = link.ear._channel
    loop_layer = link.layer.channel_layer._get_layer()
    (shard,) = loop_layer._shards
    shard._receive_task.cancel()
    await until(lambda: link.is_away)
    await until(lambda: not link.is_away and group in link.ear._joined)
    assert link.ear._channel != deaf
    assert len([message for message in caplog.messages if "begins anew with it" in message]) == 1
    await asyncio.to_thread(lists.Bell(Hub()).ring, group)
    await until(lambda: heard)
    assert set(loop_layer.channels) == {link.ear._channel}, "nothing is left of the one before"
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
    # Two facts that change a list, in each round.
    eventually(lambda: all("the channel layer is away" in site.log.read_text() for site in two_sites))
    own_redis.start()
    for site in two_sites:
        eventually(lambda site=site: are_over_and_told_of_once(outages(site)))
        assert len(outages(site)) == site.log.read_text().count("channel layer")
    for page in shown:
        page.until(chat.session_id, "waiting")
