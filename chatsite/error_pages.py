"""The view for failed requests. The pages are templates/404.html and the like."""

import logging
import sys

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template
from django.views.defaults import server_error

from agentchat.errors import DatabaseUnavailable
from agentchat.infra.database import is_transient

logger = logging.getLogger("chatsite")

RETRY_AFTER_SECONDS = 5


def failed(request: HttpRequest) -> HttpResponse:
    """The view for handler500, which Django calls while it handles the error: a 503 if the database is unavailable.

    Neither page queries the database.
    """
    error = sys.exc_info()[1]
    if isinstance(error, DatabaseUnavailable) or (isinstance(error, Error) and is_transient(error)):
        logger.error("the database is unavailable for %s: %s", request.path, error)
        page = get_template("503.html").render()
        response = HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
        # Django would log it once more, with a traceback: one for each request of an outage would hide all else.
        response._has_been_logged = True  # type: ignore[attr-defined]  # what Django's log_response() looks for
        return response
    return server_error(request)
