"""Who calls: the owner of the API key in the request. Cookies count for nothing here."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from django.http import HttpRequest

from agentchat.actions import api_keys
from agentchat.core import registry
from agentchat.infra.addresses import address_of_meta
from agentchat.infra.db_threads import in_db_thread, in_read_thread
from agentchat.infra.fair_queue import enter_lanes
from agentchat.models import ApiKey
from agentchat.programs.errors import ProgramError
from agentchat.realtime.chat_list import group_of_visitor
from agentchat.visitors import Visitor
from agentchat.websocket import connections
from agentchat.websocket.connections import may_view
from agentchat.websocket.visitor_limits import FRAMES_OF_AN_OPENING, current_visitor_limits

_OF_KEY = "api-key:"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The owner of a key, and what the key allows."""

    visitor: Visitor
    key: ApiKey

    @property
    def session_key(self) -> str:
        """By which an open connection is found to be still allowed."""
        return f"{_OF_KEY}{self.key.pk}"

    def check_write(self) -> None:
        if not self.key.may_write:
            raise ProgramError(403, "read_only_key", "This key may only read. Create one that may write.")

    def agents(self) -> list[registry.AgentFunction]:
        """The agents that this caller may talk to."""
        return [each for each in registry.open_to(self.visitor.user) if self.key.allows(each.name)]

    def check_agent(self, name: str) -> None:
        """Raise ProgramError if this caller may not see the chats of this agent, as if there were no such agent."""
        if registry.find(name) is None or not self.key.allows(name) or not may_view(name, self.visitor.user):
            raise ProgramError(404, "model_not_found", f"There is no agent {name!r:.200} that this key may use.")


async def caller_of(request: HttpRequest) -> Caller:
    """Who sends this request. From here on its database work is in their lane. Raise ProgramError."""
    address = address_of_meta(request.META)
    enter_lanes(owner=group_of_visitor(Visitor(address=address)))  # until it is known who this is
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise ProgramError(401, "missing_key", "Send an API key, as in “Authorization: Bearer agentchat_…”.")
    key = await in_read_thread(api_keys.find)(text.strip())
    if key is None:
        raise ProgramError(401, "invalid_api_key", "This API key doesn't exist, has expired, or was revoked.")
    visitor = Visitor(user=key.owner, address=address)
    enter_lanes(owner=group_of_visitor(visitor))
    now = asyncio.get_running_loop().time()
    if not current_visitor_limits().of(visitor).frames.allows(FRAMES_OF_AN_OPENING, now=now):
        raise ProgramError(429, "too_many_requests", "Too many requests. Please wait a moment.", retry_after=1)
    await in_db_thread(api_keys.note_use)(key)
    return Caller(visitor=visitor, key=key)


def _owners_of_keys(session_keys: Collection[str]) -> dict[str, Visitor]:
    found = api_keys.owners_of([int(each.removeprefix(_OF_KEY)) for each in session_keys]) if session_keys else {}
    return {f"{_OF_KEY}{key}": visitor for key, visitor in found.items()}


connections.FINDERS[_OF_KEY] = _owners_of_keys
