"""What an agent emits to its stream: each message once, and nothing of a silent chat."""

from collections import deque

from agentchat.agents.history import as_message, render_messages
from agentchat.agents.message_events import Visible, message_events
from agentchat.agents.protocols import Agent, Message
from agentchat.events import ChatEvent
from agentchat.io import IOStream
from agentchat.io.base import send_to

_MAX_EMITTED = 64  # replies that wait to be sent: one for each chat that the agent has at the same time


class EventEmitter:
    """The output of one agent. `silent` is the agent's own setting; None leaves it to each chat."""

    def __init__(self, name: str, *, silent: bool | None) -> None:
        self._name = name
        self.silent = silent
        self._silent_with: dict[Agent, bool] = {}
        self._emitted: deque[Message | str] = deque(maxlen=_MAX_EMITTED)

    def set_silent_with(self, partner: Agent, silent: bool) -> None:
        """Remember whether the chat with a partner is silent."""
        self._silent_with[partner] = silent

    def is_silent_with(self, partner: Agent | None) -> bool:
        return self.is_silent(chat=partner is not None and self._silent_with.get(partner, False))

    def is_silent(self, *, chat: bool) -> bool:
        """Whether nothing is emitted of a chat that is silent, or is not."""
        return chat if self.silent is None else self.silent

    def emit(self, event: ChatEvent, *, to: Agent | None) -> None:
        """Emit what happens while the agent replies to a partner, unless their chat is silent."""
        if not self.is_silent_with(to):
            send_to(IOStream.get_default(), event)

    def emit_message(
        self, message: Message | str, *, to: Agent, silent: bool, format_texts: bool, visible: Visible
    ) -> None:
        """Emit a message that is being sent, unless it was emitted while it was written or the chat is silent.

        A template is rendered with its context; a text is formatted with it if `format_texts`.
        """
        if self._take_emitted(message) or self.is_silent(chat=silent):
            return
        sent = as_message(message)
        [rendered] = render_messages([sent], sent.get("context"), format_texts)
        for event in message_events(rendered, name=self._name, to=to.name, visible=visible):
            send_to(IOStream.get_default(), event)

    def mark_emitted(self, reply: Message | str) -> Message | str:
        """Return a reply that was emitted while it was written, so that sending it does not emit it again."""
        self._emitted.append(reply)
        return reply

    def _take_emitted(self, message: Message | str) -> bool:
        """Whether this very object was marked; a mark counts once."""
        for position, emitted in enumerate(self._emitted):
            if emitted is message:
                del self._emitted[position]
                return True
        return False
