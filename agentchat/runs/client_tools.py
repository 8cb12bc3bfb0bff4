"""The part of a run's stream that has the tools of the client."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from agentchat.models import ChatSession, ClientThread, InboxItem
from agentchat.tools.client import ClientTool


class _HasSteps(Protocol):
    session: ChatSession

    def step(self, name: str, function: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]: ...


class RunClientTools:
    """The part of a run's stream that has the tools of the client."""

    @property
    def client_tools(self: _HasSteps) -> Sequence[Callable[..., Any]]:
        """See `IOStream.client_tools`. What they are is recorded: an execution that resumes has the same."""
        offered = self.step("client tools", partial(_offered_in, self.session.pk))
        return tuple(map(ClientTool.of, offered))


def _offered_in(session_id: UUID) -> list[dict[str, Any]]:
    """What was offered with the last message of the chat session: none if somebody else has sent one since."""
    thread = ClientThread.objects.filter(session=session_id).first()
    last = InboxItem.objects.filter(session=session_id).order_by("-pk").first()
    if thread is None or last is None or last.client_id != thread.client_id:
        return []
    return list(thread.client_tools or ())
