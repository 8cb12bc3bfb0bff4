"""The Content-Security-Policy of every page: the output of models and tools can never load or run anything.

The views of agentchat set it wherever they are mounted (`strict_policy`); a project adds the middleware for error
pages, which are not made by these views, and for its other pages.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.templatetags.static import static
from django.utils.decorators import sync_and_async_middleware

DIRECTIVES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "media-src": "'self'",  # sounds that users send
    "connect-src": "'self'",
    "frame-src": "'self'",  # for the widget
    "manifest-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}


STATIC_FILES = ("script-src", "style-src", "img-src", "font-src", "manifest-src")


def policy(**changed: str) -> str:
    """The policy; `policy(frame_ancestors="'self'")` with another directive. Static files may be of another site."""
    directives = DIRECTIVES | {name.replace("_", "-"): value for name, value in changed.items()}
    if origin := _static_origin():
        directives |= {name: f"{directives[name]} {origin}" for name in STATIC_FILES}
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _static_origin() -> str:
    """The origin of static files, where it is not the site's."""
    try:
        url = urlsplit(static("agentchat/icon.svg"))
    except ValueError:
        return ""  # not collected: pages say so
    return f"{url.scheme}://{url.netloc}".removeprefix("://") if url.netloc else ""


View = Callable[..., HttpResponseBase]


def strict_policy(view: View) -> View:
    """Set the policy on the view's responses, unless they have one."""

    @wraps(view)
    def with_policy(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return _with_policy(view(request, *args, **kwargs))

    return with_policy


@sync_and_async_middleware
def StrictPolicyMiddleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Set the policy on every response that has none. Requests that wait under ASGI hold no thread for it."""
    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponseBase:
            return _with_policy(await get_response(request))

        return respond_async

    def respond(request: HttpRequest) -> HttpResponseBase:
        return _with_policy(get_response(request))

    return respond


def _with_policy(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Content-Security-Policy", policy())
    return response
