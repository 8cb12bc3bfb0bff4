"""Processes for tests of the relay: a hub and a link each, on a layer that loses, hangs and recovers."""

import asyncio
import json
import uuid
from collections import defaultdict

from agentchat.infra.channel_layer import group_of
from agentchat.realtime.chat_list import ChatListNotifier
from agentchat.realtime.hub import Hub
from agentchat.realtime.relay.link import RelayLink
from agentchat.realtime.subscriber import Subscriber


class FlakyLayer:
    """A layer between the links of a test. It may be dead, frozen, forget its groups, or lose a message."""

    def __init__(self):
        self.queues = {}
        self.groups = defaultdict(set)
        self.sent = []
        self.is_dead = False
        self.thawed = asyncio.Event()
        self.thawed.set()
        self.loses = lambda group, message: False

    async def _answer(self):
        await self.thawed.wait()
        if self.is_dead:
            raise ConnectionError("no answer")

    async def new_channel(self, prefix="specific"):
        await self._answer()
        self.queues[name := f"channel{len(self.queues)}"] = asyncio.Queue()
        return name

    async def receive(self, channel):
        return json.loads(await self.queues[channel].get())

    async def group_add(self, group, channel):
        await self._answer()
        self.groups[group].add(channel)

    async def group_discard(self, group, channel):
        await self._answer()
        self.groups[group].discard(channel)

    async def group_send(self, group, message):
        await self._answer()
        self.sent.append((group, message))
        if not self.loses(group, message):
            for channel in self.groups[group]:
                self.queues[channel].put_nowait(json.dumps(message))

    def sent_of(self, type_):
        return [message for _, message in self.sent if message["type"] == type_]


class Process:
    """A process of a test: a hub, a link, and the database that all share."""

    def __init__(self, name, layer, database, owners):
        self.name, self.hub, self.database = name, Hub(), database
        self.polls = 0
        self.stopped = []
        self.notifier = ChatListNotifier(self.hub, asyncio.get_running_loop())

        async def owners_of(session_ids):
            return {each: owners[each] for each in session_ids if each in owners}

        self.link = RelayLink(
            self.hub,
            layer,
            owners_of=owners_of,
            on_direct={"run.stop": lambda run: self.stopped.append(run)},
            on_list=self.notifier.on_change,
            on_recovery=self.poll,
            process=name,
        )

    def poll(self):
        self.polls += 1
        for session_id in self.hub.watched():
            self.hub.notify(session_id, len(self.database))

    def save(self, session_id, type_, **fields):
        frame = {"type": type_, "seq": len(self.database) + 1, **fields}
        self.database.append(frame)
        self.hub.publish(session_id, [frame])
        self.hub.sender.notify(session_id, frame["seq"])
        return frame["seq"]

    def begin(self, session_id, message_id):
        writing = self.hub.begin(session_id, message_id, len(self.database) + 1)
        self.save(session_id, "TEXT_MESSAGE_START", messageId=message_id)
        return writing


class Page:
    """A page that watches a chat session at a process. Checks that deltas neither miss nor repeat anything."""

    def __init__(self, process, session_id):
        self.frames, self.text, self.attempt = [], "", 0
        self.changed = asyncio.Condition()

        async def read(after):
            return [frame for frame in process.database if frame["seq"] > after]

        async def close():
            raise AssertionError("too slow")

        self.subscriber = Subscriber(session_id, 0, send=self.send, read=read, close=close, hub=process.hub)
        self.task = asyncio.create_task(self.subscriber.run())

    async def send(self, text):
        frame = json.loads(text)
        async with self.changed:
            if frame["type"] == "TEXT_MESSAGE_CONTENT":
                if frame["attempt"] > self.attempt:
                    self.attempt, self.text = frame["attempt"], ""
                assert (frame["attempt"], frame["offset"]) == (self.attempt, len(self.text.encode("utf-16-le")) // 2)
                self.text += frame["delta"]
            self.frames.append(frame)
            self.changed.notify_all()

    async def until(self, holds):
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: self.task.done() or holds(self)), 10)
        assert not self.task.done()

    async def shows(self, text):
        await self.until(lambda page: page.text == text)

    def types(self):
        return [frame["type"] for frame in self.frames if "seq" in frame]


class Cluster:
    """The processes of a test on one layer."""

    def __init__(self):
        self.layer, self.database, self.owners = FlakyLayer(), [], {}
        self.session_id = uuid.uuid4()
        self.processes = []
        self.pages = []

    async def process(self, name):
        process = Process(name, self.layer, self.database, self.owners)
        self.processes.append(process)
        await until(lambda: process.link.is_connected)
        return process

    def page(self, process):
        self.pages.append(page := Page(process, self.session_id))
        return page

    def is_joined(self, process):
        return process.link.receiver._channel in self.layer.groups[group_of(self.session_id)]


async def until(holds):
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)


def on_purpose(*_):
    raise RuntimeError("on purpose")
