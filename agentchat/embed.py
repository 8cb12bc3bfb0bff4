"""The chat within another page: in an iframe of the site's own pages, or of the sites that EMBED_ORIGINS names.

It is the chat page without what is around it. A chat session is made by a POST, as everywhere: a page that only shows
the frame leaves nothing behind. Whoever may not chat is told so here, since the sign-in page is in nobody's frame.
"""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.csrf import csrf_failure as django_csrf_failure
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from agentchat import conf, csp, registry
from agentchat.forms import NewChatForm
from agentchat.llm.config import uses_demo
from agentchat.models import ChatSession
from agentchat.runs.chats import adopt_guests
from agentchat.views import new_chat, of_chat
from agentchat.visitors import Visitor, visitor_of_request


def in_frames(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A page that the site's own pages, and those of EMBED_ORIGINS, may show in a frame."""

    @never_cache
    @xframe_options_exempt  # frame-ancestors says it better: X-Frame-Options knows no list
    @ensure_csrf_cookie
    @wraps(view)
    def framed(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        visitor = visitor_of_request(request)
        if visitor.user is not None:
            adopt_guests(request.session, visitor.user)  # if that could not be done when they signed in
        response = view(request, visitor, **kwargs)
        allowed = " ".join(["'self'", *conf.app.embed_origins])
        response.headers["Content-Security-Policy"] = csp.policy(frame_ancestors=allowed)
        return response

    return framed


@require_http_methods(["GET", "HEAD", "POST"])
@in_frames
def start(request: HttpRequest, visitor: Visitor, agent_name: str) -> HttpResponseBase:
    """The visitor's last chat with this agent, or how to begin one; `?new=1` begins another. POST makes it."""
    agent = registry.find(agent_name)
    if agent is not None and not (visitor.may_chat and agent.is_open_to(visitor.user)):
        agent = None
    form = None
    if request.method == "POST" and agent is not None:
        form = NewChatForm({"agent": agent_name, "prompt": request.POST.get("prompt", "")}, visitor=visitor)
        if form.is_valid():
            chat = new_chat(request, form.cleaned_data["agent"], form.cleaned_data["prompt"])
            return redirect("agentchat:embedded_chat", chat_id=chat.id)
    elif agent is not None and "new" not in request.GET and (last := _last_chat(visitor, agent_name)):
        return redirect("agentchat:embedded_chat", chat_id=last.id)
    context = {
        "visitor": visitor,
        "uses_demo": uses_demo(),
        "agent": agent,
        "agent_title": agent.title if agent else "",
        "form": form,
        "new_chat_url": request.path,
    }
    status = 200 if agent and not form else 400 if form else 404 if visitor.may_chat else 403
    return render(request, "agentchat/embed_start.html", context, status=status)


@require_safe
@in_frames
def chat(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """One chat of the visitor's, without the sidebar.

    What is not there, or not theirs any more (they signed out in a tab), is said within the frame: a browser shows
    nothing of our other pages in one.
    """
    chat = ChatSession.objects.of(visitor).filter(pk=chat_id).first() if visitor.may_chat else None
    if chat is None:
        return _without_a_chat(request, visitor)
    context = {**of_chat(request, visitor, chat), "frame": "agentchat/embed.html"}
    return render(request, "agentchat/chat.html", context)


def _without_a_chat(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    context = {"visitor": visitor, "uses_demo": uses_demo(), "is_lost": True}
    return render(request, "agentchat/embed_start.html", context, status=404 if visitor.may_chat else 403)


@in_frames
def refused(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """A form in a frame came without its cookie: the browser keeps cookies from frames of other sites."""
    context = {"visitor": visitor, "uses_demo": uses_demo(), "is_refused": True}
    return render(request, "agentchat/embed_start.html", context, status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Django's page for a form without its cookie, and in a frame one that can be shown there.

    For the setting CSRF_FAILURE_VIEW.
    """
    if request.resolver_match is not None and request.resolver_match.view_name == "agentchat:embed":
        return refused(request)
    return django_csrf_failure(request, reason=reason)


def _last_chat(visitor: Visitor, agent_name: str) -> ChatSession | None:
    return ChatSession.objects.of(visitor).filter(agent=agent_name).order_by("-updated_at").first()
