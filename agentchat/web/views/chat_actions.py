"""Actions on a chat as a whole: rename, delete, restore, export.

Every page and button here works without JavaScript; with it, `menus.js` and `chat_list.js` stay on the page. A chat is
looked up among the visitor's own only.
"""

import uuid

from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST, require_safe

from agentchat.actions import chats
from agentchat.presentation import export
from agentchat.presentation.chat_list import agent_title
from agentchat.visitors import Visitor
from agentchat.web.downloads import download, file_name
from agentchat.web.forms import RenameForm
from agentchat.web.page import for_visitors, own_chat, render_page, wants_json


@require_safe
@ensure_csrf_cookie
@for_visitors
def options(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """The menu of a chat as a page: where its entry in the list leads without JavaScript."""
    return render_page(request, visitor, "options.html", own_chat(visitor, chat_id))


@require_POST
@for_visitors
def rename(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    chat = own_chat(visitor, chat_id)
    form = RenameForm(request.POST)
    if not form.is_valid():
        complaint = form.errors["title"][0]
        if wants_json(request):
            return JsonResponse({"error": complaint}, status=400)
        return render_page(request, visitor, "options.html", chat, complaint=complaint, status=400)
    title = chats.rename(chat.pk, visitor, form.cleaned_data["title"])
    if title is None:
        raise Http404
    return JsonResponse({"title": title}) if wants_json(request) else redirect(chat)


@require_POST
@for_visitors
def delete(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """Delete a chat; the list confirms it, and offers to undo it."""
    if not chats.delete(chat_id, visitor):
        raise Http404
    if wants_json(request):
        return JsonResponse({})
    return redirect(f"{reverse('agentchat:chats')}?deleted={chat_id}")


@require_POST
@for_visitors
def restore(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    if not chats.restore(chat_id, visitor):
        raise Http404
    return JsonResponse({}) if wants_json(request) else redirect("agentchat:chat", chat_id)


@require_GET
@for_visitors
def export_markdown(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    chat = own_chat(visitor, chat_id)
    name = file_name(chat.title or agent_title(chat.agent), "md")
    text = export.markdown_of(chat, shows_details=visitor.may_see_details, with_thoughts="thoughts" in request.GET)
    return download(request, text, name=name, content_type="text/markdown")


@require_GET
@for_visitors
def export_json(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    chat = own_chat(visitor, chat_id)
    name = file_name(chat.title or agent_title(chat.agent), "json")
    return download(
        request,
        export.json_of(
            chat,
            shows_usage=visitor.may_see_usage,
            shows_details=visitor.may_see_details,
            with_thoughts="thoughts" in request.GET,
        ),
        name=name,
        content_type="application/json",
    )
