"""What all pages share: who may see them, and what is around their content."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache

from agentchat.actions.chats import claim_guest_chats
from agentchat.csp import strict_policy
from agentchat.infra.fair_queue import lanes
from agentchat.infra.keyset import Cursor
from agentchat.llm.config import uses_demo
from agentchat.models import ChatSession
from agentchat.presentation.chat_list import agent_title, blank_entry, chats_by_day, newest_chats
from agentchat.realtime.chat_list import group_of_visitor
from agentchat.visitors import Visitor, visitor_of_request
from agentchat.web.accounts import redirect_to_login


def for_visitors(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view for visitors who may chat, which it gets; others are redirected to the sign-in page. Never cached.

    A chat that is deleted permanently while the view works with it is not found, as if that had happened before.
    """

    @strict_policy
    @never_cache
    @wraps(view)
    def with_visitor(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        visitor = visitor_of_request(request)
        if not visitor.may_chat:
            return redirect_to_login(request.get_full_path())
        if visitor.user is not None:
            claim_guest_chats(request.session, visitor.user)  # in case it failed when they signed in
        try:
            with lanes(owner=group_of_visitor(visitor)):
                return view(request, visitor, **kwargs)
        except ChatSession.DoesNotExist as error:
            raise Http404 from error

    return with_visitor


def page_context(
    visitor: Visitor, *, current: ChatSession | None = None, before: Cursor | None = None
) -> dict[str, Any]:
    """What a page shows around its content: the list of chats above all, with `current` marked."""
    chats, older = newest_chats(visitor, current=current, before=before)
    return {
        "visitor": visitor,
        "blank_entry": blank_entry(),
        "days": chats_by_day(chats, current=current),
        "older_chats": older,
        "is_older_chats": before is not None,
        "uses_demo": uses_demo(),
    }


def own_chat(visitor: Visitor, chat_id: uuid.UUID) -> ChatSession:
    """The visitor's chat with this id. Raise Http404 if there is none, or if it is another owner's."""
    return get_object_or_404(ChatSession.objects.of(visitor), pk=chat_id)


def wants_json(request: HttpRequest) -> bool:
    """Whether a script of the page asks, which updates the page itself."""
    return request.headers.get("Accept") == "application/json"


def render_page(
    request: HttpRequest,
    visitor: Visitor,
    template: str,
    chat: ChatSession | None = None,
    /,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """A page of the site, about `chat` if there is one."""
    context = {**page_context(visitor, current=chat), **more}
    if chat is not None:
        context |= {"chat": chat, "title": chat.title or agent_title(chat.agent)}
    return render(request, f"agentchat/{template}", context, status=status)
