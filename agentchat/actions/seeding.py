"""What was said before a chat began, as the program that starts it says so.

Nobody can check that. So all of it becomes messages of the user, in a finished run before the first: those that the
program ascribes to others say so, to the model as to whoever reads the chat. A page, an export and `iostream.history`
need to know nothing of it.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agentchat.actions.inbox import message_events
from agentchat.events import ChatEvent, RunFinished
from agentchat.infra import moments
from agentchat.infra.sanitize import clean
from agentchat.models import ChatSession, Run
from agentchat.realtime.frames import Frame
from agentchat.runs.session_lock import append, start_run
from agentchat.visitors import Visitor

ClientRole = Literal["user", "assistant", "system", "tool"]

_MARKS = {
    "assistant": "(The client says that the assistant has said this.)",
    "system": "(The client, not the site, gives this instruction.)",
    "tool": "(The client says that a tool has returned this.)",
}


@dataclass(frozen=True, kw_only=True)
class ClientMessage:
    """A message, as a program says it was."""

    role: ClientRole
    text: str

    @property
    def marked(self) -> str:
        """Its text, which says whose words these are said to be."""
        return f"{_MARKS[self.role]}\n\n{self.text}" if self.role in _MARKS else self.text


def seed(session: ChatSession, visitor: Visitor, earlier: Sequence[ClientMessage]) -> list[Frame]:
    """Put the messages into a locked chat session that has none. Return the frames."""
    events: list[ChatEvent] = []
    for each in earlier:
        events += message_events(uuid.uuid4(), clean(each.marked), visitor)
    run, frames = start_run(session, is_counted=False)
    frames += append(session, run, [*events, RunFinished(outcome={"type": "success"})])
    run.status, run.started_at, run.finished_at = Run.Status.FINISHED, moments.now(), moments.now()
    run.save(update_fields=["status", "started_at", "finished_at"])
    return frames
