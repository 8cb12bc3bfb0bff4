"""Shared links: the page that creates and revokes them, and the page that they lead to."""

import uuid

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from agentchat.actions import sharing
from agentchat.csp import strict_policy
from agentchat.presentation import shared_chat
from agentchat.presentation.chat_list import agent_title
from agentchat.visitors import Visitor
from agentchat.web.page import for_visitors, own_chat, render_page
from agentchat.web.streamed_page import streamed_page


@require_http_methods(["GET", "HEAD", "POST"])
@ensure_csrf_cookie
@for_visitors
def share(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID) -> HttpResponseBase:
    """The links to a chat. POST creates one, or revokes the one in `withdraw`."""
    chat = own_chat(visitor, chat_id)
    complaint = ""
    if request.method == "POST" and "withdraw" in request.POST:
        wanted = request.POST["withdraw"]
        if not (wanted.isascii() and wanted.isdigit() and len(wanted) < 19):
            raise Http404
        get_object_or_404(chat.shares, pk=int(wanted)).delete()
        return redirect("agentchat:share", chat_id)
    if request.method == "POST":
        if sharing.create_link(chat) is not None:
            return redirect("agentchat:share", chat_id)
        complaint = _("Couldn't create a link: this chat is empty, or it already has %(limit)d links.")
        complaint %= {"limit": sharing.MAX_LINKS}
    links = [
        {"id": each.pk, "at": each.created_at, "url": request.build_absolute_uri(_address(each.token))}
        for each in chat.shares.order_by("-pk")
    ]
    return render_page(
        request, visitor, "share_links.html", chat, links=links, complaint=complaint, status=400 if complaint else 200
    )


def _address(token: str) -> str:
    return reverse("agentchat:shared", args=[token])


@require_safe
@strict_policy
@never_cache
def shared(request: HttpRequest, token: str) -> HttpResponseBase:
    """A shared chat, for anyone who has the link. It reads and sets no cookies."""
    link = sharing.find_link(token)
    if link is None:
        raise Http404
    context = {"title": shared_chat.title_of(link), "agent": agent_title(link.session.agent), "link": link}
    response = streamed_page(request, "agentchat/share.html", context, items=shared_chat.items_of(link))
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Referrer-Policy"] = "no-referrer"  # the URL is the secret
    return response
