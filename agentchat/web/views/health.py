"""Health checks, for monitoring and load balancers."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agentchat import server
from agentchat.csp import strict_policy


@require_safe
@strict_policy
@never_cache
def healthz(request: HttpRequest) -> HttpResponseBase:
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@strict_policy
@never_cache
def readyz(request: HttpRequest) -> HttpResponseBase:
    """The process can do its work; if not, 503 and which part of it is down."""
    components = server.is_ready()
    return JsonResponse(components, status=200 if all(each is True for each in components.values()) else 503)
