"""The pages: the visitor's chats, one chat, and what a server's watchdog asks.

A chat session is looked for among the visitor's own only: not theirs is not found. Pages show what is there; what
happens from then on comes over the websocket, and the consumers know nothing of this module.
"""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from agentchat import conf, message_actions, registry, search, server, transcript
from agentchat.csp import strict_policy
from agentchat.forms import EventsForm, NewChatForm
from agentchat.keyset import Place, parse_place
from agentchat.llm.config import uses_demo
from agentchat.models import ChatSession, Event, Feedback
from agentchat.own_words import translated_frame
from agentchat.parts import Part, part_of
from agentchat.runs.branches import Tree
from agentchat.runs.chats import adopt_guests
from agentchat.runs.control import MAX_COMMENT_CHARS
from agentchat.runs.frames import frames_before, without_usage
from agentchat.sidebar import agent_title, blank_entry, chats_by_day, mark_seen, newest_chats
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
        if visitor.user is not None:
            adopt_guests(request.session, visitor.user)  # if that could not be done when they signed in
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
        return redirect(new_chat(request, form.cleaned_data["agent"], form.cleaned_data["prompt"]))
    before = parse_place(request.GET.get("before", ""), ChatSession)
    context = {**_common(visitor, before=before), "agents": [*registry.open_to(visitor.user)], "form": form}
    if query := request.GET.get("q", "").strip():
        context |= {"query": query[: search.MAX_QUERY], "results": search.find(visitor, query)}
    elif deleted := _chat_id(request.GET.get("deleted", "")):
        context["deleted"] = ChatSession.objects.all_of(visitor).filter(pk=deleted, deleted_at__isnull=False).first()
    return render(request, "agentchat/chats.html", context, status=400 if form else 200)


def _chat_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def new_chat(request: HttpRequest, agent: registry.AgentFunction, prompt: str) -> ChatSession:
    """Make a chat session of the visitor's; a guest gets a key with the first one."""
    chat = ChatSession.objects.create(agent=agent.name, **remember_guest(request).owner_fields)
    if prompt:
        # Not in the address: a link must not be able to speak for a person.
        request.session[FIRST_MESSAGE] = [str(chat.id), prompt]
    return chat


@require_safe
@ensure_csrf_cookie
@for_visitors
def chat(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """One chat, with the last part of its transcript, or with an older one: `?before=`. Both do without JavaScript."""
    is_rated = Exists(Feedback.objects.filter(session=OuterRef("pk")))
    chat = get_object_or_404(ChatSession.objects.of(visitor).annotate(is_rated=is_rated), pk=chat_id)
    if "before" in request.GET:
        return _older_page(request, visitor, chat)
    common = _common(visitor, current=chat)
    mark_seen(common["days"])
    return render(request, "agentchat/chat.html", {**common, **of_chat(request, visitor, chat)})


def of_chat(request: HttpRequest, visitor: Visitor, chat: ChatSession) -> dict[str, Any]:
    """What chat.html shows of a chat of the visitor's."""
    agent = registry.find(chat.agent)
    # Read the events, not next_seq: what is told to the page is what the page will ask the socket to go on from.
    tree = Tree.of(chat.pk)
    part = _part(chat, tree)
    read = part.transcript
    return {
        "visitor": visitor,
        "uses_demo": uses_demo(),
        "chat": chat,
        "agent": agent,
        "agent_title": agent_title(chat.agent),
        "is_open": agent is not None and agent.is_open_to(visitor.user),
        "transcript": read,
        "versions": message_actions.add(
            read.items, chat, tree, is_rated=getattr(chat, "is_rated", True), since=part.earlier or 0
        ),
        "earlier": part.earlier,
        "spent": read.spent_json(may_see=visitor.may_see_usage),
        "blanks": transcript.blanks(),
        "first_message": _first_message(request, chat) if not read.last_seq else "",
        # The same id however often the page is loaded: the server counts the message once.
        "first_message_id": uuid.uuid5(chat.id, "first message"),
        "max_message_chars": conf.app.max_message_chars,
        "max_comment_chars": MAX_COMMENT_CHARS,
    }


def _part(chat: ChatSession, tree: Tree, *, before: int | None = None) -> Part:
    """A part of the branch that people look at."""
    shown = Event.objects.filter(tree.condition(tree.head_of(chat)), session=chat)
    return part_of(shown, chat.next_seq, before=before)


def _older_page(request: HttpRequest, visitor: Visitor, chat: ChatSession) -> HttpResponseBase:
    form = EventsForm(request.GET)
    if not form.is_valid() or form.cleaned_data["before"] is None:
        return redirect(chat)
    part = _part(chat, Tree.of(chat.pk), before=form.cleaned_data["before"])
    context = {
        **_common(visitor, current=chat),
        "chat": chat,
        "agent_title": agent_title(chat.agent),
        "items": part.transcript.items,
        "earlier": part.earlier,
    }
    return render(request, "agentchat/chat_before.html", context)


@require_safe
@for_visitors
def earlier(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """The part of a chat before a number, as a piece of its page: earlier.js puts it in when somebody scrolls up."""
    chat = get_object_or_404(ChatSession.objects.of(visitor), pk=chat_id)
    form = EventsForm(request.GET)
    if not form.is_valid() or form.cleaned_data["before"] is None:
        return HttpResponseBadRequest()
    tree, agent = Tree.of(chat.pk), registry.find(chat.agent)
    part = _part(chat, tree, before=form.cleaned_data["before"])
    message_actions.add(part.transcript.items, chat, tree, since=part.earlier or 0)
    context = {
        "visitor": visitor,
        "chat": chat,
        "is_open": agent is not None and agent.is_open_to(visitor.user),
        "items": part.transcript.items,
        "earlier": part.earlier,
    }
    return render(request, "agentchat/_part.html", context)


def _first_message(request: HttpRequest, chat: ChatSession) -> str:
    chat_id, prompt = request.session.get(FIRST_MESSAGE, ("", ""))
    return prompt if chat_id == str(chat.id) else ""


@require_safe
@for_visitors
def events(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """The last events of a chat's branch, or the last before a number, as frames; `more`: whether some are older."""
    chat = get_object_or_404(ChatSession.objects.of(visitor), pk=chat_id)
    form = EventsForm(request.GET)
    if not form.is_valid():
        return JsonResponse({"error": form.errors["before"][0]}, status=400)
    tree = Tree.of(chat.pk)
    frames = frames_before(chat.id, form.cleaned_data["before"], shown=tree.condition(tree.head_of(chat)))
    if not visitor.may_see_usage:
        frames = [without_usage(frame) for frame in frames]
    told = [translated_frame(frame) for frame in frames]
    return JsonResponse({"events": told, "more": bool(frames) and frames[0]["seq"] > 1})


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


def _common(visitor: Visitor, *, current: ChatSession | None = None, before: Place | None = None) -> dict[str, Any]:
    chats, older = newest_chats(visitor, current=current, before=before)
    return {
        "visitor": visitor,
        "blank_entry": blank_entry(),
        "days": chats_by_day(chats, current=current),
        "older_chats": older,
        "is_older_chats": before is not None,
        "uses_demo": uses_demo(),
    }
