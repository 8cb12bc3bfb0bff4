"""The chat embedded in another page: in an iframe of the site's own pages, or of the sites in EMBED_ORIGINS.

It is the chat page without what is around it. Only a POST creates a chat session: showing the frame stores nothing.
Visitors who may not chat are told so in the frame, since the sign-in page cannot be framed.
"""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.csrf import csrf_failure as django_csrf_failure
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from agentchat import conf, csp
from agentchat.actions.chats import claim_guest_chats
from agentchat.core import registry
from agentchat.llm.config import uses_demo
from agentchat.models import ChatSession
from agentchat.visitors import Visitor, visitor_of_request
from agentchat.web import accounts
from agentchat.web.chat_page import chat_context
from agentchat.web.forms import NewChatForm
from agentchat.web.new_chat import create_chat, refused, start_context


def in_frames(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view whose page the site's own pages, and those of EMBED_ORIGINS, may frame."""

    @never_cache
    @xframe_options_exempt  # frame-ancestors replaces it: X-Frame-Options has no list
    @ensure_csrf_cookie
    @wraps(view)
    def framed(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        visitor = visitor_of_request(request)
        if visitor.user is not None:
            claim_guest_chats(request.session, visitor.user)  # in case it failed when they signed in
        response = view(request, visitor, **kwargs)
        allowed = " ".join(["'self'", *conf.app.embed_origins])
        response.headers["Content-Security-Policy"] = csp.policy(frame_ancestors=allowed)
        return response

    return framed


@require_http_methods(["GET", "HEAD", "POST"])
@in_frames
def start(request: HttpRequest, visitor: Visitor, agent_name: str) -> HttpResponseBase:
    """The visitor's last chat with this agent, or a page to start one (`?new=1`: another one). POST creates it."""
    agent = registry.find(agent_name)
    if agent is not None and not (visitor.may_chat and agent.is_open_to(visitor.user)):
        agent = None
    form = None
    if request.method == "POST" and agent is not None:
        form = NewChatForm({**request.POST.dict(), "agent": agent_name}, visitor=visitor)
        if (response := create_chat(request, form, page="agentchat:embedded_chat")) is not None:
            return response
    elif agent is not None and "new" not in request.GET and (last := _last_chat(visitor, agent_name)):
        return redirect("agentchat:embedded_chat", chat_id=last.id)
    context = {
        "visitor": visitor,
        "uses_demo": uses_demo(),
        **start_context(request, [agent] if agent else [], form),
        "agent_title": agent.title if agent else "",
        "new_chat_url": request.path,
        "login_url": _login_url(),
    }
    status = 200 if agent else 404 if visitor.may_chat else 403
    response = render(request, "agentchat/embed_start.html", context, status=status)
    return refused(response, form) if form else response


def _login_url() -> str | None:
    return accounts.login_url(next=reverse("agentchat:chats"))


@require_safe
@in_frames
def chat(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """One chat of the visitor's, without the sidebar.

    If it does not exist, or is not theirs any more (they signed out in another tab), the frame says so: browsers show
    none of our other pages in a frame.
    """
    chat = ChatSession.objects.of(visitor).filter(pk=chat_id).first() if visitor.may_chat else None
    if chat is None:
        return _no_chat(request, visitor)
    context = {**chat_context(request, visitor, chat), "frame": "agentchat/embed.html"}
    return render(request, "agentchat/chat.html", context)


def _no_chat(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    context = {"visitor": visitor, "uses_demo": uses_demo(), "is_lost": True, "login_url": _login_url()}
    return render(request, "agentchat/embed_start.html", context, status=404 if visitor.may_chat else 403)


@in_frames
def cookies_blocked(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """A form in a frame came without its cookie: the browser blocks cookies in frames of other sites."""
    context = {"visitor": visitor, "uses_demo": uses_demo(), "is_refused": True}
    return render(request, "agentchat/embed_start.html", context, status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Django's CSRF failure page, or in a frame one that can be shown there.

    For the setting CSRF_FAILURE_VIEW.
    """
    if request.resolver_match is not None and request.resolver_match.view_name == "agentchat:embed":
        return cookies_blocked(request)
    return django_csrf_failure(request, reason=reason)


def _last_chat(visitor: Visitor, agent_name: str) -> ChatSession | None:
    return ChatSession.objects.of(visitor).filter(agent=agent_name).order_by("-updated_at").first()
