"""The subscribers of this process, and the messages that are being written.

The text so far of each message being written is kept here, once. A delta only moves its end; every subscriber has a
cursor in it (`subscriber.py`). Events go to the subscribers as they are saved; one that misses an event
reads it from the database.

Every method is for the server's event loop; nothing here blocks or queries the database itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from agentchat.events import RunError, RunFinished, TextMessageEnd
from agentchat.infra.loop_scope import owned
from agentchat.realtime.frames import Frame
from agentchat.realtime.live_message import LiveMessage
from agentchat.realtime.subscriber import Subscriber

MAX_ENDED = 32  # ends of messages that a channel remembers: a delta may come late


class Receiver(Protocol):
    """Receives notifications and deltas of other processes."""

    async def join(self, session_id: UUID) -> None:
        """A chat session is watched here; return when its notifications are received, or cannot be."""

    def leave(self, session_id: UUID) -> None:
        """It is not watched any more."""

    def join_list(self, group: str) -> None:
        """A list of chats is watched here."""

    def leave_list(self, group: str) -> None: ...


class Sender(Protocol):
    """Publishes to other processes what happens in this one. Nothing of it blocks."""

    def notify(self, session_id: UUID, seq: int) -> None: ...

    def notify_list(self, group: str) -> None: ...

    def send_direct(self, process: str, message: dict[str, object]) -> None: ...

    def on_delta(self, session_id: UUID, message: LiveMessage) -> None: ...

    def on_end(self, session_id: UUID, message_ids: Iterable[str]) -> None: ...


@dataclass
class ChatChannel:
    """What is going on in one chat session, as far as this process knows."""

    subscribers: set[Subscriber] = field(default_factory=set)
    live: dict[str, LiveMessage] = field(default_factory=dict)
    ahead: int | None = None  # runs that are before this session's queued one
    ended: dict[str, int] = field(default_factory=dict)  # the seqs of the last ends, by the ids of their messages


class Hub:
    """The channels of this process. `receiver` and `sender` connect it to other processes, where there are any."""

    def __init__(self) -> None:
        self._channels: dict[UUID, ChatChannel] = {}
        self.receiver: Receiver | None = None
        self.sender: Sender | None = None

    def channel(self, session_id: UUID) -> ChatChannel:
        channel = self._channels.get(session_id)
        if channel is None:
            channel = self._channels[session_id] = ChatChannel()
        return channel

    def discard_if_idle(self, session_id: UUID) -> None:
        """Drop a channel that has no subscriber and no message being written."""
        channel = self._channels.get(session_id)
        if channel is not None and not channel.subscribers and not channel.live:
            del self._channels[session_id]

    # --- subscribers -----------------------------------------------------------------------------------------------

    async def subscribe(self, subscriber: Subscriber) -> None:
        """Deliver events to it from now on. Return when those of other processes are received too, or cannot be."""
        self.channel(subscriber.session_id).subscribers.add(subscriber)
        if self.receiver is not None:
            await self.receiver.join(subscriber.session_id)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """With the last subscriber goes what is only for subscribers."""
        session_id = subscriber.session_id
        channel = self._channels.get(session_id)
        if channel is not None:
            channel.subscribers.discard(subscriber)
        if channel is not None and not channel.subscribers:
            for each in [each for each in channel.live.values() if each.is_remote]:
                del channel.live[each.message_id]
            if self.receiver is not None:
                self.receiver.leave(session_id)
        self.discard_if_idle(session_id)

    def follow_live_messages(self, subscriber: Subscriber) -> None:
        """Have a subscriber that has caught up follow what is being written, and know its place in the queue."""
        channel = self.channel(subscriber.session_id)
        if channel.ahead is not None:
            subscriber.on_status(_queued(channel.ahead))
        for message in list(channel.live.values()):
            subscriber.follow(message)

    def watched(self) -> list[UUID]:
        """The chat sessions that have subscribers."""
        return [session_id for session_id, channel in self._channels.items() if channel.subscribers]

    # --- events ----------------------------------------------------------------------------------------------------

    def publish(self, session_id: UUID, frames: Iterable[Frame]) -> None:
        """Events of a chat session, just saved."""
        channel = self._channels.get(session_id)
        if channel is None:
            return
        frames = list(frames)
        for frame in frames:
            if frame["type"] == TextMessageEnd.type:
                self._end(session_id, channel, [frame["messageId"]], frame["seq"])
        for subscriber in channel.subscribers:
            subscriber.on_events(frames)
        self.discard_if_idle(session_id)

    def notify(self, session_id: UUID, seq: int) -> None:
        """Another process saved an event."""
        channel = self._channels.get(session_id)
        for subscriber in channel.subscribers if channel else ():
            subscriber.notify(seq)

    def on_sent(self, session_id: UUID, frame: Frame) -> None:
        """A subscriber has sent this event: what it ends, has ended, whether or not a notification of it came."""
        channel = self._channels.get(session_id)
        if channel is None or not (channel.live or self.receiver):
            return
        if frame["type"] == TextMessageEnd.type:
            self._end(session_id, channel, [frame["messageId"]], frame["seq"])
        elif frame["type"] in (RunFinished.type, RunError.type):
            ended = [each.message_id for each in channel.live.values() if each.start_seq < frame["seq"]]
            self._end(session_id, channel, ended, frame["seq"])

    def update_queue_positions(self, positions: Mapping[UUID, int]) -> None:
        """How many runs are before the queued run of each watched chat session; sent where it has changed."""
        for session_id, channel in self._channels.items():
            ahead = positions.get(session_id)
            if ahead != channel.ahead and ahead is not None:
                for subscriber in channel.subscribers:
                    subscriber.on_status(_queued(ahead))
            channel.ahead = ahead

    # --- messages that this process writes -------------------------------------------------------------------------

    def live_message(self, session_id: UUID, message_id: str) -> LiveMessage | None:
        channel = self._channels.get(session_id)
        return channel.live.get(message_id) if channel else None

    def begin(self, session_id: UUID, message_id: str, start_seq: int) -> LiveMessage:
        """A message of a run of this process begins."""
        message = LiveMessage(message_id, start_seq)
        self._show(session_id, message)  # after a crash subscribers have its START already
        return message

    def write(self, session_id: UUID, message: LiveMessage, attempt: int, delta: str) -> None:
        """A message goes on."""
        if attempt > message.attempt:
            message.restart(attempt)
        message.write(delta)
        self._on_delta(session_id, message)

    def think(self, session_id: UUID, message: LiveMessage, attempt: int, delta: str) -> None:
        """What the model thinks before it writes a message goes on."""
        if attempt > message.attempt:
            message.restart(attempt)
        message.think(delta)
        self._on_delta(session_id, message)

    def _on_delta(self, session_id: UUID, message: LiveMessage) -> None:
        for subscriber in self.channel(session_id).subscribers:
            subscriber.wake()
        if self.sender is not None:
            self.sender.on_delta(session_id, message)

    def forget(self, session_id: UUID, message_ids: Iterable[str]) -> None:
        """These messages are not written here any more, and have no END yet: another process goes on with them."""
        channel = self._channels.get(session_id)
        if channel is not None:
            message_ids = list(message_ids)
            for message_id in message_ids:
                channel.live.pop(message_id, None)
            if self.sender is not None:
                self.sender.on_end(session_id, message_ids)
            self.discard_if_idle(session_id)

    def local_messages(self, session_id: UUID) -> list[LiveMessage]:
        """What this process writes in a chat session."""
        channel = self._channels.get(session_id)
        return [each for each in channel.live.values() if not each.is_remote] if channel else []

    def _show(self, session_id: UUID, message: LiveMessage) -> None:
        channel = self.channel(session_id)
        channel.live[message.message_id] = message
        for subscriber in channel.subscribers:
            subscriber.follow(message)

    # --- messages that other processes write: relay/remote_messages.py ---------------------------------------------

    def watched_channel(self, session_id: UUID) -> ChatChannel | None:
        """The channel of a chat session, if that is watched."""
        channel = self._channels.get(session_id)
        return channel if channel is not None and channel.subscribers else None

    def begin_remote(self, session_id: UUID, message: LiveMessage) -> None:
        """A message of a run of another process: this process learns of it."""
        self._show(session_id, message)

    def silent_sessions(self, *, before: float) -> list[UUID]:
        """The chat sessions with messages of other processes that have not grown since that time of the loop."""
        return [session_id for session_id, channel in self._channels.items() if _silent(channel, before)]

    def drop_silent(self, session_id: UUID, *, before: float) -> None:
        """No process writes in this chat session: drop what has not grown since that time."""
        if (channel := self._channels.get(session_id)) is not None:
            for message_id in _silent(channel, before):
                del channel.live[message_id]

    def _end(self, session_id: UUID, channel: ChatChannel, message_ids: list[str], seq: int) -> None:
        for message_id in message_ids:
            channel.live.pop(message_id, None)
            if self.receiver is not None and channel.subscribers:
                channel.ended[message_id] = seq
                if len(channel.ended) > MAX_ENDED:  # the oldest goes, also while a client reads the chat from its start
                    del channel.ended[min(channel.ended, key=channel.ended.__getitem__)]
        if self.sender is not None:
            self.sender.on_end(session_id, message_ids)


def current_hub() -> Hub:
    """The hub of the server's loop."""
    return owned(Hub)


def _silent(channel: ChatChannel, before: float) -> list[str]:
    return [each.message_id for each in channel.live.values() if each.is_remote and each.received_at < before]


def _queued(ahead: int) -> Frame:
    return {"type": "QUEUED", "ahead": ahead}
