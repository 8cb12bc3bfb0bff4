"""What pages say while the database cannot do its work: a 503, when to come back, and that nothing is lost."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import get_template

from agentchat.core.log import get_logger
from agentchat.errors import DatabaseUnavailable
from agentchat.infra.database import connection, is_transient

logger = get_logger("agentchat.web")

RETRY_AFTER_SECONDS = 5


def answer_if_unavailable(request: HttpRequest, error: BaseException | None) -> HttpResponse | None:
    """The answer to a request that has failed, if the database is unavailable. The page queries nothing."""
    if not (isinstance(error, DatabaseUnavailable) or (isinstance(error, Error) and is_transient(error))):
        return None
    logger.error("the database is unavailable for %s: %s", request.path, error)
    page = get_template("agentchat/unavailable.html").render()
    response = HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    # Django would log it once more, with a traceback: one for each request of an outage would hide all else.
    response._has_been_logged = True  # type: ignore[attr-defined]  # what Django's log_response() looks for
    return response


def available_again_soon(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view that answers 503 where it would fail because the database is unavailable: also without a handler500."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except (Error, DatabaseUnavailable) as error:
            if connection().settings_dict.get("ATOMIC_REQUESTS"):
                raise  # Django undoes what the view has done
            answer = answer_if_unavailable(request, error)
            if answer is None:
                raise
            return answer

    return answered
