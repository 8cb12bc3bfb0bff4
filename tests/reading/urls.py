"""The site's addresses, and some that fail in the ways that have a page."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.csrf import csrf_failure

from agentchat.errors import DatabaseUnavailable


def forbidden(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("on purpose")


def away(request: HttpRequest) -> HttpResponse:
    raise DatabaseUnavailable("on purpose")


urlpatterns = [
    path("fail/403/", forbidden),
    path("fail/csrf/", csrf_failure),
    path("fail/500/", broken),
    path("fail/503/", away),
    path("", include("chatsite.urls")),
]

handler500 = "chatsite.error_pages.failed"
