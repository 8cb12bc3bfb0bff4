"""The chat of somebody else, for staff: they look on, take it over, speak in it, and give it back.

The page of the chat itself, with another socket (`websocket/staff_consumer.py`) and without what only its owner can do.
Works without JavaScript: what happens meanwhile is shown after a reload then. A chat that is not for the user is not
found, whether there is one or not.
"""

import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBadRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from agentchat.actions import handovers
from agentchat.actions.staff_access import may_see
from agentchat.actions.staff_log import log_act, log_reading
from agentchat.errors import Rejected
from agentchat.models import ChatSession, Event
from agentchat.presentation import export
from agentchat.presentation.chat_list import agent_title
from agentchat.presentation.items import Message
from agentchat.runs.branching.tree import Tree
from agentchat.visitors import Visitor
from agentchat.web.chat_page import chat_context, shown_page
from agentchat.web.downloads import download, file_name
from agentchat.web.forms import EventsForm
from agentchat.web.page import page_context
from agentchat.web.views.inbox import for_users
from agentchat.web.views.whole_events import text_response


@require_http_methods(["GET", "HEAD", "POST"])
@ensure_csrf_cookie
@for_users
def chat(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """The chat as it goes on, or an older part of it (`?before=`). `POST` with `do`: `take`, `say` or `give-back`."""
    found = _chat_for(visitor, chat_id)
    log_reading(found, visitor.user)
    if request.method == "POST":
        complaint = _act(visitor, chat_id, request.POST)
        if not complaint:
            return redirect(_after(visitor, chat_id))
        return _page(request, visitor, found, complaint=complaint, text=request.POST.get("text", ""), status=400)
    if "before" in request.GET:
        return _older_page(request, visitor, found)
    return _page(request, visitor, found)


@require_safe
@for_users
def earlier(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """The page of the chat before a number, as a fragment."""
    found = _chat_for(visitor, chat_id)
    log_reading(found, visitor.user)
    context = _older_part(request, visitor, found)
    return HttpResponseBadRequest() if context is None else render(request, "agentchat/inbox/part.html", context)


@require_safe
@for_users
def event_text(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID, seq: int) -> HttpResponseBase:
    """The whole text of an event, of which the page shows the head."""
    watched = _chat_for(visitor, chat_id)
    found = get_object_or_404(Event, session=watched, seq=seq)
    log_reading(watched, visitor.user)
    return text_response(request, found, shows_details=visitor.may_see_details)


@require_safe
@for_users
def export_markdown(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """The transcript as a file, for those who may export chats."""
    found = _exported(visitor, chat_id, "Exported the chat as Markdown.")
    name = file_name(found.title or agent_title(found.agent), "md")
    text = export.markdown_of(found, shows_details=visitor.may_see_details)
    return download(request, text, name=name, content_type="text/markdown")


@require_safe
@for_users
def export_json(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """Every event as a file, for those who may export chats."""
    found = _exported(visitor, chat_id, "Exported the chat as JSON.")
    name = file_name(found.title or agent_title(found.agent), "json")
    sees = {"shows_usage": visitor.may_see_usage, "shows_details": visitor.may_see_details}
    return download(request, export.json_of(found, **sees), name=name, content_type="application/json")


def _exported(visitor: Visitor, chat_id: uuid.UUID, entry: str) -> ChatSession:
    """The chat, if this user may read and export it; it is logged that they do. Raise Http404."""
    if not visitor.user.has_perm(handovers.EXPORT):
        raise Http404
    found = _chat_for(visitor, chat_id)
    log_act(found, visitor.user, entry)
    return found


def _chat_for(visitor: Visitor, chat_id: uuid.UUID) -> ChatSession:
    """The chat, if this user may read it. Raise Http404."""
    if not handovers.may_watch(visitor.user, chat_id):
        raise Http404
    return get_object_or_404(ChatSession.objects.select_related("owner"), pk=chat_id, deleted_at=None)


def _after(visitor: Visitor, chat_id: uuid.UUID) -> str:
    """Where to go on: in the chat, unless it is not for this user any more."""
    may_stay = handovers.may_watch(visitor.user, chat_id)
    return reverse("agentchat:inbox_chat", args=[chat_id]) if may_stay else reverse("agentchat:inbox")


def _act(visitor: Visitor, chat_id: uuid.UUID, data: QueryDict) -> str:
    """Do what was asked for; return what is wrong with it, if something is."""
    try:
        match data.get("do"):
            case "take":
                handovers.take_over(chat_id, visitor)
            case "give-back":
                handovers.give_back(chat_id, visitor)
            case "say":
                text = data.get("text", "").replace("\r\n", "\n")
                handovers.say(chat_id, visitor, client_id=uuid.UUID(data.get("id", "")), text=text)
            case _:
                return gettext("Some of this isn't valid.")
    except Rejected as error:
        return str(error)
    except ValueError:
        return gettext("Some of this isn't valid.")
    return ""


def _page(
    request: HttpRequest, visitor: Visitor, found: ChatSession, *, status: int = 200, **more: Any
) -> HttpResponseBase:
    handover = handovers.find_open(found.pk)
    may_answer = handover is not None and handovers.may_take_part(visitor.user, handover)
    is_here = handover is not None and any(each["id"] == str(visitor.user.pk) for each in handover.staff)
    context = {
        **page_context(visitor),
        **chat_context(request, visitor, found),
        **_common(found),
        "handover": handover,
        "may_take": (may_answer and not is_here) or (handover is None and _may_take_over(visitor, found)),
        "may_export": visitor.user.has_perm(handovers.EXPORT),
        "may_answer": may_answer,
        "is_open": may_answer,  # the composer is, and the agent: it is there for them
        "pending": Message(id="", role="staff", name=visitor.name, writing=False),
        "form_id": uuid.uuid4(),
        "uploads": None,  # files are the owner's to send
        "held_messages": [],
        **more,
    }
    return render(request, "agentchat/inbox/chat.html", context, status=status)


def _may_take_over(visitor: Visitor, found: ChatSession) -> bool:
    return handovers.may_take_over(visitor.user) and may_see(visitor.user, found)


def _older_page(request: HttpRequest, visitor: Visitor, found: ChatSession) -> HttpResponseBase:
    context = _older_part(request, visitor, found)
    if context is None:
        return redirect("agentchat:inbox_chat", chat_id=found.pk)
    return render(request, "agentchat/inbox/chat_before.html", {**page_context(visitor), **context})


def _older_part(request: HttpRequest, visitor: Visitor, found: ChatSession) -> dict[str, Any] | None:
    form = EventsForm(request.GET)
    if not form.is_valid() or form.cleaned_data["before"] is None:
        return None
    page = shown_page(found, Tree.of(found.pk), before=form.cleaned_data["before"])
    common = {"visitor": visitor, "chat": found, **_common(found)}
    return {**common, "items": page.transcript.items, "earlier": page.earlier}


def _common(found: ChatSession) -> dict[str, Any]:
    return {
        "is_of_staff": True,
        "asked": {"prompt": ""},
        "page_url": reverse("agentchat:inbox_chat", args=[found.pk]),
        "owner_name": found.owner.get_username() if found.owner else gettext("Guest"),
    }
