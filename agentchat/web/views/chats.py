"""The start page: agents to chat with, the visitor's chats, and the results of a search."""

from django.conf import settings
from django.http import HttpRequest, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from agentchat.core import registry
from agentchat.infra.ids import parse_uuid
from agentchat.infra.keyset import parse_cursor
from agentchat.models import ChatSession
from agentchat.presentation.chat_list import chats_by_day, newest_chats
from agentchat.search import query as search
from agentchat.visitors import Visitor
from agentchat.web.forms import NewChatForm
from agentchat.web.new_chat import create_chat, refused, remember_agent, start_context
from agentchat.web.page import for_visitors, page_context


@require_safe
@for_visitors
def index(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """Redirect to the chat with the newest message; without any, to the list of agents."""
    newest = ChatSession.objects.of(visitor).filter(next_seq__gt=1).order_by("-updated_at").first()
    return redirect(newest or "agentchat:chats")


@require_safe
@for_visitors
def older(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """The chats before a cursor, as a fragment: chat_list.js adds them to the list."""
    before = parse_cursor(request.GET.get("before", ""), ChatSession)
    if before is None:
        return HttpResponseBadRequest()
    found, older_chats = newest_chats(visitor, before=before)
    context = {"days": chats_by_day(found), "older_chats": older_chats}
    return render(request, "agentchat/_older_chats.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@ensure_csrf_cookie
@for_visitors
def chats(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """The form for a new chat, and the visitor's chats. POST creates a chat session with one of the agents."""
    form = NewChatForm(request.POST, visitor=visitor) if request.method == "POST" else None
    if form is not None and (response := create_chat(request, form, page="agentchat:chat")) is not None:
        if response.status_code < 400:
            remember_agent(response, form.cleaned_data["agent"].name)
        return response
    before = parse_cursor(request.GET.get("before", ""), ChatSession)
    start = start_context(request, [*registry.open_to(visitor.user)], form)
    context = {**page_context(visitor, before=before), **start, "is_debug": settings.DEBUG}
    if query := request.GET.get("q", "").strip():
        context |= {"query": query[: search.MAX_QUERY], "results": search.find(visitor, query)}
    elif deleted := parse_uuid(request.GET.get("deleted", "")):
        context["deleted"] = ChatSession.objects.all_of(visitor).filter(pk=deleted, deleted_at__isnull=False).first()
    response = render(request, "agentchat/chats.html", context)
    return refused(response, form) if form else response
