"""Who calls: the owner of the API key in the request.

Cookies count only where a protocol is made for pages (`by_cookie`), and then for pages of the site's own origin.
"""

import asyncio
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest

from agentchat.actions import api_keys
from agentchat.core import registry
from agentchat.infra.addresses import address_of_meta
from agentchat.infra.db_threads import in_db_thread, in_read_thread
from agentchat.infra.fair_queue import enter_lanes
from agentchat.models import ApiKey
from agentchat.programs.errors import ProgramError
from agentchat.realtime.chat_list import group_of_visitor
from agentchat.visitors import Visitor, remember_guest, visitor_of_request
from agentchat.websocket import connections
from agentchat.websocket.connections import may_view
from agentchat.websocket.origin import ExactOriginValidator
from agentchat.websocket.visitor_limits import FRAMES_OF_AN_OPENING, current_visitor_limits

_OF_KEY = "api-key:"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The owner of a key, and what the key allows; or a visitor with a browser, who has none.

    `session_key`: by which an open connection is found to be still allowed.
    """

    visitor: Visitor
    session_key: str
    key: ApiKey | None = None

    def check_write(self) -> None:
        if self.key is not None and not self.key.may_write:
            raise ProgramError(403, "read_only_key", "This key may only read. Create one that may write.")

    def agents(self) -> list[registry.AgentFunction]:
        """The agents that this caller may talk to."""
        return [each for each in registry.open_to(self.visitor.user) if self._allows(each.name)]

    def check_agent(self, name: str) -> None:
        """Raise ProgramError if this caller may not see the chats of this agent, as if there were no such agent."""
        if registry.find(name) is None or not self._allows(name) or not may_view(name, self.visitor.user):
            raise ProgramError(404, "model_not_found", f"There is no agent {name!r:.200} that this key may use.")

    def _allows(self, name: str) -> bool:
        return self.key is None or self.key.allows(name)


async def caller_of(request: HttpRequest, *, by_cookie: bool = False) -> Caller:
    """Who sends this request. From here on its database work is in their lane. Raise ProgramError."""
    address = address_of_meta(request.META)
    enter_lanes(owner=group_of_visitor(Visitor(address=address)))  # until it is known who this is
    if by_cookie and "Authorization" not in request.headers:
        caller = await _caller_with_cookie(request)
    else:
        caller = await _caller_with_key(request, address)
    enter_lanes(owner=group_of_visitor(caller.visitor))
    _count(caller.visitor)
    if caller.key is not None:
        await in_db_thread(api_keys.note_use)(caller.key)
    return caller


def _count(visitor: Visitor) -> None:
    """Count a request of a visitor. Raise ProgramError if there are too many."""
    now = asyncio.get_running_loop().time()
    if not current_visitor_limits().of(visitor).frames.allows(FRAMES_OF_AN_OPENING, now=now):
        raise ProgramError(429, "too_many_requests", "Too many requests. Please wait a moment.", retry_after=1)


async def _caller_with_key(request: HttpRequest, address: str) -> Caller:
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise ProgramError(401, "missing_key", "Send an API key, as in “Authorization: Bearer agentchat_…”.")
    key = await in_read_thread(api_keys.find)(text.strip())
    if key is None:
        raise ProgramError(401, "invalid_api_key", "This API key doesn't exist, has expired, or was revoked.")
    return Caller(visitor=Visitor(user=key.owner, address=address), session_key=f"{_OF_KEY}{key.pk}", key=key)


_origins = ExactOriginValidator(None)


async def _caller_with_cookie(request: HttpRequest) -> Caller:
    """The visitor whose browser sends this. A guest who has none gets a key with the first message.

    A page of another origin could make the browser send it, too: what changes something must come from one of ours.
    """
    is_safe = request.method in ("GET", "HEAD")
    headers = {name.lower().encode(): value.encode() for name, value in request.headers.items()}
    if not is_safe and not _origins.allows(headers, request.scheme or "http"):
        raise ProgramError(403, "wrong_origin", "Send it from a page of this site, or with an API key.")
    if not is_safe and settings.SESSION_COOKIE_NAME not in request.COOKIES:
        # Whoever keeps no cookie is somebody else each time: what one address may do is limited, before it is stored.
        _count(Visitor(guest_key=f"at {address_of_meta(request.META)}"))
    visitor, session_key = await in_db_thread(_visitor_with_session)(request, is_safe=is_safe)
    if not visitor.may_chat:
        raise ProgramError(401, "missing_key", "Sign in, or send an API key.")
    return Caller(visitor=visitor, session_key=session_key)


def _visitor_with_session(request: HttpRequest, *, is_safe: bool) -> tuple[Visitor, str]:
    visitor = visitor_of_request(request)
    if not is_safe and visitor.may_chat and visitor.user is None and not visitor.guest_key:
        visitor = remember_guest(request, uuid.uuid4())
        request.session.save()  # now, so that the stream that is about to open is somebody's
    return visitor, request.session.session_key or ""


def _owners_of_keys(session_keys: Collection[str]) -> dict[str, Visitor]:
    found = api_keys.owners_of([int(each.removeprefix(_OF_KEY)) for each in session_keys]) if session_keys else {}
    return {f"{_OF_KEY}{key}": visitor for key, visitor in found.items()}


connections.FINDERS[_OF_KEY] = _owners_of_keys
