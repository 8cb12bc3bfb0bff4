"""What people read when a request fails. The pages themselves are templates/404.html and the like."""

import sys

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template
from django.views.defaults import server_error

from agentchat.errors import DatabaseAway
from agentchat.runs.database import is_passing

RETRY_AFTER_S = 5


def failed(request: HttpRequest) -> HttpResponse:
    """The view for handler500, which Django calls while it handles the error: a 503 where the database is away.

    Neither page asks the database.
    """
    error = sys.exc_info()[1]
    if isinstance(error, DatabaseAway) or (isinstance(error, Error) and is_passing(error)):
        page = get_template("503.html").render()
        return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
    return server_error(request)
