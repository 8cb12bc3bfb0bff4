"""What a visitor does with a chat as a whole: name it, delete it, take it along, share it; and with all their data.

Every page and button here works without JavaScript; `menus.js` and `chats.js` spare the way to another page. As in
`agentchat.views`, a chat is looked for among the visitor's own only.
"""

import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods, require_POST, require_safe

from agentchat import export, sharing
from agentchat.csp import strict_policy
from agentchat.forms import RenameForm
from agentchat.models import ChatSession
from agentchat.runs import chats
from agentchat.sidebar import agent_title
from agentchat.streaming import download, file_name
from agentchat.views import FIRST_MESSAGE, _common, for_visitors
from agentchat.visitors import Visitor


def _own(visitor: Visitor, chat_id: uuid.UUID) -> ChatSession:
    return get_object_or_404(ChatSession.objects.of(visitor), pk=chat_id)


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _page(
    request: HttpRequest,
    visitor: Visitor,
    template: str,
    chat: ChatSession | None = None,
    /,
    *,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    context = {**_common(visitor, current=chat), **more}
    if chat is not None:
        context |= {"chat": chat, "title": chat.title or agent_title(chat.agent)}
    return render(request, f"agentchat/{template}", context, status=status)


# --- one chat -------------------------------------------------------------------------------------------------------


@require_safe
@ensure_csrf_cookie
@for_visitors
def options(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """What can be done with a chat, as a page: where its entry in the list leads without JavaScript."""
    return _page(request, visitor, "options.html", _own(visitor, chat_id))


@require_POST
@for_visitors
def rename(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    chat = _own(visitor, chat_id)
    form = RenameForm(request.POST)
    if not form.is_valid():
        complaint = form.errors["title"][0]
        if _wants_json(request):
            return JsonResponse({"error": complaint}, status=400)
        return _page(request, visitor, "options.html", chat, complaint=complaint, status=400)
    title = chats.rename(chat.pk, visitor, form.cleaned_data["title"])
    return JsonResponse({"title": title}) if _wants_json(request) else redirect(chat)


@require_POST
@for_visitors
def delete(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """Delete a chat; the list says so, and offers to take that back."""
    if not chats.delete(chat_id, visitor):
        raise Http404
    if _wants_json(request):
        return JsonResponse({})
    return redirect(f"{reverse('agentchat:chats')}?deleted={chat_id}")


@require_POST
@for_visitors
def take_back(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    if not chats.take_back(chat_id, visitor):
        raise Http404
    return JsonResponse({}) if _wants_json(request) else redirect("agentchat:chat", chat_id)


@require_GET
@for_visitors
def export_markdown(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    chat = _own(visitor, chat_id)
    name = file_name(chat.title or agent_title(chat.agent), "md")
    return download(request, export.markdown_of(chat), name=name, content_type="text/markdown")


@require_GET
@for_visitors
def export_json(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    chat = _own(visitor, chat_id)
    name = file_name(chat.title or agent_title(chat.agent), "json")
    return download(
        request, export.json_of(chat, shows_usage=visitor.may_see_usage), name=name, content_type="application/json"
    )


# --- sharing --------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@ensure_csrf_cookie
@for_visitors
def share(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """The links to a chat. POST makes one, or withdraws the one that `withdraw` names."""
    chat = _own(visitor, chat_id)
    complaint = ""
    if request.method == "POST" and "withdraw" in request.POST:
        wanted = request.POST["withdraw"]
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 19):
            raise Http404
        get_object_or_404(chat.shares, pk=int(wanted)).delete()
        return redirect("agentchat:share", chat_id)
    if request.method == "POST":
        if sharing.share(chat) is not None:
            return redirect("agentchat:share", chat_id)
        complaint = _("No link could be made: there is nothing to read yet, or there are %(limit)d links already.")
        complaint %= {"limit": sharing.MAX_LINKS}
    links = [
        {"id": each.pk, "at": each.created_at, "url": request.build_absolute_uri(_address(each.token))}
        for each in chat.shares.order_by("-pk")
    ]
    return _page(
        request, visitor, "share_links.html", chat, links=links, complaint=complaint, status=400 if complaint else 200
    )


def _address(token: str) -> str:
    return reverse("agentchat:shared", args=[token])


@require_safe
@strict_policy
@never_cache
def shared(request: HttpRequest, token: str) -> HttpResponseBase:
    """What was shared, for anybody who has the link. It needs no cookie, asks for none and sets none."""
    link = sharing.find(token)
    if link is None:
        raise Http404
    items = sharing.items_of(link)
    context = {
        "items": items,
        "title": sharing.title_of(link, items),
        "agent": agent_title(link.session.agent),
        "link": link,
    }
    response = render(request, "agentchat/share.html", context)
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Referrer-Policy"] = "no-referrer"  # the address is the key
    return response


# --- all of one's own -----------------------------------------------------------------------------------------------


@require_safe
@ensure_csrf_cookie
@for_visitors
def my_data(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """What is kept of the visitor, to take along or to delete."""
    own = ChatSession.objects.all_of(visitor)
    deleted = own.filter(deleted_at__isnull=False).count()
    total = own.count()
    is_gone = "gone" in request.GET and not total
    return _page(
        request, visitor, "my_data.html", total=total, deleted=deleted, kept_days=chats.KEPT_FOR.days, is_gone=is_gone
    )


@require_GET
@for_visitors
def my_data_download(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    name = file_name(f"chats {timezone.localdate().isoformat()}", "json")
    return download(request, export.data_of(visitor), name=name, content_type="application/json")


@require_http_methods(["GET", "HEAD", "POST"])
@ensure_csrf_cookie
@for_visitors
def my_data_delete(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """Asks once more; POST deletes all chats of the visitor for good. An account itself stays."""
    if request.method != "POST":
        return _page(request, visitor, "my_data_delete.html", total=ChatSession.objects.all_of(visitor).count())
    chats.erase_all(visitor)
    request.session.pop(FIRST_MESSAGE, None)
    return redirect(f"{reverse('agentchat:my_data')}?gone")
