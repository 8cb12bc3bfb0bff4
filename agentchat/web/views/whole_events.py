"""One event with all that it has: frames and pages show only the head of a text that is too long for them.

As JSON for clients, and as plain text for people: a page links to its own address and `events/<seq>.txt`.
"""

import uuid

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agentchat.actions import sharing
from agentchat.csp import strict_policy
from agentchat.models import Event
from agentchat.presentation import shared_chat
from agentchat.realtime.excerpt import whole_text
from agentchat.realtime.frames import text_of, visible_frame, whole_frame_of
from agentchat.realtime.tool_visibility import hides_text
from agentchat.visitors import Visitor
from agentchat.web.downloads import pieces, streamed
from agentchat.web.page import for_visitors, own_chat


@require_safe
@for_visitors
def event(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID, seq: int) -> HttpResponseBase:
    """The frame of an event, whole and without HTML."""
    found = get_object_or_404(Event.objects.select_related("run"), session=own_chat(visitor, chat_id), seq=seq)
    frame = whole_frame_of(found, found.run.number if found.run else None)
    visible = visible_frame(frame, shows_usage=visitor.may_see_usage, shows_details=visitor.may_see_details)
    return streamed(request, pieces(text_of(visible)), content_type="application/json")


@require_safe
@for_visitors
def event_text(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID, seq: int) -> HttpResponseBase:
    """The text that a page shows of an event."""
    found = get_object_or_404(Event, session=own_chat(visitor, chat_id), seq=seq)
    return text_response(request, found, shows_details=visitor.may_see_details)


@require_safe
@strict_policy
@never_cache
def shared_event_text(request: HttpRequest, token: str, seq: int) -> HttpResponseBase:
    """The same for anyone who has the link, of what the link shows."""
    link = sharing.find_link(token)
    if link is None:
        raise Http404
    response = text_response(request, get_object_or_404(shared_chat.events_of(link), seq=seq), shows_details=False)
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Referrer-Policy"] = "no-referrer"  # the URL is the secret
    return response


def text_response(request: HttpRequest, found: Event, *, shows_details: bool) -> HttpResponseBase:
    """The text of an event, of a chat that the caller has found. Raise Http404 if it has none for these readers."""
    text = whole_text(found.type, found.payload)
    if text is None or (hides_text(found.type, found.payload) and not shows_details):
        raise Http404
    return streamed(request, pieces(text), content_type="text/plain")
