"""What the addresses for programs have in common: methods, who calls, CORS, and errors as the protocol has them.

They are async views that hold no thread while they wait. A request is allowed by the key that it brings. A cookie,
which a browser adds by itself, counts only where the protocol is made for pages, and for pages of this site: so they
need no CSRF token, and pages of other origins get no credentials.
"""

from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from agentchat import conf
from agentchat.core.log import get_logger
from agentchat.errors import DatabaseUnavailable, Rejected
from agentchat.infra.database import is_transient
from agentchat.infra.request_limit import HOLDS_NO_THREAD
from agentchat.programs.callers import Caller, caller_of
from agentchat.programs.errors import UNAVAILABLE, ProgramError

logger = get_logger("agentchat.programs")

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]
ErrorWriter = Callable[[ProgramError], HttpResponse]

ALLOWED_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID")
PREFLIGHT_SECONDS = 600


def endpoint(*methods: str, write_error: ErrorWriter, by_cookie: bool = False) -> Callable[[View], View]:
    """A view for programs, which gets the caller. `write_error` makes the answer to what went wrong.

    `by_cookie`: visitors with a browser may call it, too.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        async def respond(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            origin = request.headers.get("Origin", "")
            if request.method == "OPTIONS" and origin in conf.app.api_origins:
                return _with_cors(_preflight(request, methods), origin)
            try:
                response = await _answer(view, request, methods, by_cookie, **kwargs)
            except ProgramError as error:
                response = write_error(error)
                response.status_code = error.status
                if error.retry_after is not None:
                    response.headers["Retry-After"] = str(error.retry_after)
                if error.status == 401:
                    response.headers["WWW-Authenticate"] = "Bearer"
                if error.status == 405:
                    response.headers["Allow"] = ", ".join(methods)
            response.headers["Cache-Control"] = "no-store"
            return _with_cors(response, origin)

        setattr(respond, HOLDS_NO_THREAD, True)
        return login_not_required(csrf_exempt(respond))

    return decorate


async def _answer(
    view: View, request: HttpRequest, methods: Sequence[str], by_cookie: bool, **kwargs: Any
) -> HttpResponseBase:
    """The view's answer. Raise ProgramError, whatever went wrong."""
    if request.method not in methods:
        raise ProgramError(405, "method_not_allowed", f"Use {' or '.join(methods)}.")
    try:
        caller: Caller = await caller_of(request, by_cookie=by_cookie)
        return await view(request, caller, **kwargs)
    except Rejected as rejected:
        raise ProgramError.of(rejected) from rejected
    except (DatabaseError, DatabaseUnavailable) as error:
        if not (isinstance(error, DatabaseUnavailable) or is_transient(error)):
            raise
        logger.warning("a request of a program was not served: %s", error)
        raise ProgramError(503, "unavailable", UNAVAILABLE, retry_after=5) from error


def _preflight(request: HttpRequest, methods: Sequence[str]) -> HttpResponse:
    """What a browser asks before a page of another origin may send the request itself."""
    asked = request.headers.get("Access-Control-Request-Headers", "")
    # A wildcard in the list means nothing to browsers: name those of the SDK that this one has asked for.
    sdk = [name for each in asked.split(",") if (name := each.strip()).lower().startswith("x-stainless-")]
    names = [*ALLOWED_HEADERS, *sdk[:20]]
    headers = {
        "Access-Control-Allow-Methods": ", ".join(methods),
        "Access-Control-Allow-Headers": ", ".join(names),
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }
    return HttpResponse(status=204, headers=headers)


def _with_cors(response: HttpResponseBase, origin: str) -> HttpResponseBase:
    """Let pages of the origins in API_ORIGINS read the response. Never with credentials: there are none but the key."""
    if conf.app.api_origins:
        patch_vary_headers(response, ["Origin"])
        if origin in conf.app.api_origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"
    return response
