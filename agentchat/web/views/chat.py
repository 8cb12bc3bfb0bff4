"""One chat: its page, older pages of it, and its events as JSON.

Pages show the events so far; later ones come over the websocket. A chat is looked up among the visitor's own only.
"""

import uuid

from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponseBadRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from agentchat.core import registry
from agentchat.models import ChatSession, Feedback
from agentchat.presentation import versions
from agentchat.presentation.chat_list import agent_title, mark_seen
from agentchat.realtime.frames import frames_before, text_of, visible_frame, with_html
from agentchat.runs.branching.tree import Tree
from agentchat.visitors import Visitor
from agentchat.web.chat_page import chat_context, shown_page
from agentchat.web.forms import EventsForm
from agentchat.web.page import for_visitors, own_chat, page_context

MAX_EVENTS_CHARS = 1024 * 1024  # of frames as JSON, beyond which no older ones are added


@require_safe
@ensure_csrf_cookie
@for_visitors
def chat(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """One chat, with the last page of its transcript, or an older one (`?before=`). Both work without JavaScript."""
    is_rated = Exists(Feedback.objects.filter(session=OuterRef("pk")))
    chat = get_object_or_404(ChatSession.objects.of(visitor).annotate(is_rated=is_rated), pk=chat_id)
    if "before" in request.GET:
        return _older_page(request, visitor, chat)
    common = page_context(visitor, current=chat)
    mark_seen(common["days"])
    return render(request, "agentchat/chat.html", {**common, **chat_context(request, visitor, chat)})


def _older_page(request: HttpRequest, visitor: Visitor, chat: ChatSession) -> HttpResponseBase:
    form = EventsForm(request.GET)
    if not form.is_valid() or form.cleaned_data["before"] is None:
        return redirect(chat)
    page = shown_page(chat, Tree.of(chat.pk), before=form.cleaned_data["before"])
    context = {
        **page_context(visitor, current=chat),
        "chat": chat,
        "agent_title": agent_title(chat.agent),
        "items": page.transcript.items,
        "earlier": page.earlier,
    }
    return render(request, "agentchat/chat_before.html", context)


@require_safe
@for_visitors
def earlier(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """The page of a chat before a number, as a fragment: history.js inserts it when the user scrolls up."""
    chat = own_chat(visitor, chat_id)
    form = EventsForm(request.GET)
    if not form.is_valid() or form.cleaned_data["before"] is None:
        return HttpResponseBadRequest()
    tree, agent = Tree.of(chat.pk), registry.find(chat.agent)
    page = shown_page(chat, tree, before=form.cleaned_data["before"])
    versions.add(page.transcript.items, chat, tree, since=page.earlier or 0)
    context = {
        "visitor": visitor,
        "chat": chat,
        "is_open": agent is not None and agent.is_open_to(visitor.user),
        "items": page.transcript.items,
        "earlier": page.earlier,
    }
    return render(request, "agentchat/_part.html", context)


@require_safe
@for_visitors
def events(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """The last events of the branch shown, or the last before a number, as frames; `more`: whether some are older.

    There are fewer of them if they are long.
    """
    chat = own_chat(visitor, chat_id)
    form = EventsForm(request.GET)
    if not form.is_valid():
        return JsonResponse({"error": form.errors["before"][0]}, status=400)
    tree = Tree.of(chat.pk)
    frames = frames_before(chat.id, form.cleaned_data["before"], shown=tree.condition(tree.head_of(chat)))
    may_see = {"shows_usage": visitor.may_see_usage, "shows_details": visitor.may_see_details}
    visible, size = [], 0
    for frame in reversed(frames):
        visible.append(with_html(visible_frame(frame, **may_see)))
        if (size := size + len(text_of(visible[-1]))) > MAX_EVENTS_CHARS:
            break
    visible.reverse()
    return JsonResponse({"events": visible, "more": bool(visible) and visible[0]["seq"] > 1})
