"""The view for failed requests. The pages are templates/404.html and the like."""

import sys

from django.http import HttpRequest, HttpResponse
from django.views.defaults import server_error

from agentchat.web.unavailable import answer_if_unavailable


def failed(request: HttpRequest) -> HttpResponse:
    """The view for handler500, which Django calls while it handles the error: a 503 if the database is unavailable.

    agentchat's own pages answer so by themselves; sign-in and admin are Django's. Neither page queries the database.
    """
    return answer_if_unavailable(request, sys.exc_info()[1]) or server_error(request)
