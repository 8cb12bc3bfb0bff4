"""The pages: the visitor's chats, one chat, and what a server's watchdog asks.

A chat session is looked for among the visitor's own only: not theirs is not found. Pages show what is there; what
happens from then on comes over the websocket, and the consumers know nothing of this module.
"""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from agentchat import conf, registry, server, transcript
from agentchat.csp import strict_policy
from agentchat.forms import EventsForm, NewChatForm
from agentchat.llm.config import uses_demo
from agentchat.models import ChatSession, Event
from agentchat.runs.frames import frames_before
from agentchat.sidebar import agent_title, chats_of
from agentchat.visitors import Visitor, remember_guest, visitor_of_request

FIRST_MESSAGE = (
    "agentchat_first_message"  # in the browser's session: a chat's id, and the prompt that was chosen for it
)


def for_visitors(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A page for who may chat: it gets the visitor. Others are sent to the sign-in page. Nothing of it is cached."""

    @strict_policy
    @never_cache
    @wraps(view)
    def with_visitor(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
        visitor = visitor_of_request(request)
        if not visitor.may_chat:
            return redirect_to_login(request.get_full_path())
        return view(request, visitor, **kwargs)

    return with_visitor


@require_safe
@for_visitors
def index(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """The chat in which something was said last; before the first one, the agents."""
    newest = ChatSession.objects.of(visitor).filter(next_seq__gt=1).order_by("-updated_at").first()
    return redirect(newest or "agentchat:chats")


@require_http_methods(["GET", "HEAD", "POST"])
@ensure_csrf_cookie
@for_visitors
def chats(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """The agents and the visitor's chats. POST makes a chat session with one of the agents."""
    form = NewChatForm(request.POST, visitor=visitor) if request.method == "POST" else None
    if form is not None and form.is_valid():
        return redirect(_new_chat(request, form.cleaned_data["agent"], form.cleaned_data["prompt"]))
    context = {**_common(visitor), "agents": [*registry.open_to(visitor.user)], "form": form}
    return render(request, "agentchat/chats.html", context, status=400 if form else 200)


def _new_chat(request: HttpRequest, agent: registry.AgentFunction, prompt: str) -> ChatSession:
    chat = ChatSession.objects.create(agent=agent.name, **remember_guest(request).owner_fields)
    if prompt:
        # Not in the address: a link must not be able to speak for a person.
        request.session[FIRST_MESSAGE] = [str(chat.id), prompt]
    return chat


@require_safe
@ensure_csrf_cookie
@for_visitors
def chat(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """One chat, with the whole of its transcript: it can be read without JavaScript."""
    chat = get_object_or_404(ChatSession.objects.of(visitor), pk=chat_id)
    agent = registry.find(chat.agent)
    # Read the events, not next_seq: what is told to the page is what the page will ask the socket to go on from.
    read = transcript.of_events(Event.objects.filter(session=chat).order_by("seq"))
    context = {
        **_common(visitor, current=chat),
        "chat": chat,
        "agent": agent,
        "agent_title": agent_title(chat.agent),
        "is_open": agent is not None and agent.is_open_to(visitor.user),
        "transcript": read,
        "blanks": transcript.blanks(),
        "first_message": _first_message(request, chat) if not read.last_seq else "",
        # The same id however often the page is loaded: the server counts the message once.
        "first_message_id": uuid.uuid5(chat.id, "first message"),
        "max_message_chars": conf.app.max_message_chars,
    }
    return render(request, "agentchat/chat.html", context)


def _first_message(request: HttpRequest, chat: ChatSession) -> str:
    chat_id, prompt = request.session.get(FIRST_MESSAGE, ("", ""))
    return prompt if chat_id == str(chat.id) else ""


@require_safe
@for_visitors
def events(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """The last events of a chat, or the last before a number, as frames; `more` says whether there are older ones."""
    chat = get_object_or_404(ChatSession.objects.of(visitor), pk=chat_id)
    form = EventsForm(request.GET)
    if not form.is_valid():
        return JsonResponse({"error": form.errors["before"][0]}, status=400)
    frames = frames_before(chat.id, form.cleaned_data["before"])
    return JsonResponse({"events": frames, "more": bool(frames) and frames[0]["seq"] > 1})


@require_safe
@strict_policy
@never_cache
def healthz(request: HttpRequest) -> HttpResponseBase:
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@strict_policy
@never_cache
def readyz(request: HttpRequest) -> HttpResponseBase:
    """The process can do its work: 503 where it cannot, and which part of it."""
    parts = server.is_ready()
    return JsonResponse(parts, status=200 if all(part is True for part in parts.values()) else 503)


def _common(visitor: Visitor, *, current: ChatSession | None = None) -> dict[str, Any]:
    return {
        "visitor": visitor,
        "days": chats_of(visitor, current=current),
        "uses_demo": uses_demo(),
    }
