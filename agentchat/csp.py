"""The Content-Security-Policy of every page: what a model or a tool wrote can never load or run anything.

The views of agentchat carry it wherever they are mounted (`strict_policy`); a project adds the middleware, so that the
error pages, which no view of ours makes, and its other pages carry it too.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

DIRECTIVES = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "frame-src": "'self'",  # the widget's
    "manifest-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}


def policy(**changed: str) -> str:
    """The policy; `policy(frame_ancestors="'self'")` with another directive."""
    directives = DIRECTIVES | {name.replace("_", "-"): value for name, value in changed.items()}
    return "; ".join(f"{name} {value}" for name, value in directives.items())


POLICY = policy()

View = Callable[..., HttpResponseBase]


def strict_policy(view: View) -> View:
    @wraps(view)
    def with_policy(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return _with_policy(view(request, *args, **kwargs))

    return with_policy


class StrictPolicyMiddleware:
    """Every response that has no policy of its own gets ours."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return _with_policy(self.get_response(request))


def _with_policy(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    return response
