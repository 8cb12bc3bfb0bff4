"""The visitor's data: an overview, a download, and its deletion."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_http_methods, require_safe

from agentchat import conf
from agentchat.actions import chats
from agentchat.infra import moments
from agentchat.models import ChatSession
from agentchat.presentation import export
from agentchat.visitors import Visitor
from agentchat.web.downloads import download, file_name
from agentchat.web.page import for_visitors, render_page


@require_safe
@ensure_csrf_cookie
@for_visitors
def my_data(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """What is stored for the visitor, with links to export and to delete it."""
    own = ChatSession.objects.all_of(visitor)
    deleted = own.filter(deleted_at__isnull=False).count()
    total = own.count()
    is_gone = "gone" in request.GET and not total
    return render_page(
        request,
        visitor,
        "my_data.html",
        total=total,
        deleted=deleted,
        kept_days=chats.RESTORABLE.days,
        retention_days=conf.app.retention_days,
        is_gone=is_gone,
    )


@require_GET
@for_visitors
def my_data_download(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    name = file_name(f"chats {timezone.localdate(moments.now()).isoformat()}", "json")
    return download(request, export.data_of(visitor), name=name, content_type="application/json")


@require_http_methods(["GET", "HEAD", "POST"])
@ensure_csrf_cookie
@for_visitors
def my_data_delete(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """Ask for confirmation; POST deletes all of the visitor's chats permanently. The account itself stays."""
    if request.method != "POST":
        return render_page(request, visitor, "my_data_delete.html", total=ChatSession.objects.all_of(visitor).count())
    chats.delete_all_permanently(visitor)
    return redirect(f"{reverse('agentchat:my_data')}?gone")
