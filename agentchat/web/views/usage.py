"""What the visitor may use, and has used: the budgets that are about them."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe

from agentchat.presentation.budgets import budgets_of
from agentchat.visitors import Visitor
from agentchat.web.page import for_visitors, render_page


@require_safe
@ensure_csrf_cookie
@for_visitors
def usage(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    return render_page(request, visitor, "usage.html", budgets=budgets_of(visitor))
