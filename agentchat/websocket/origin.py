"""The pages that may open a websocket, by their origin; and the paths that lead to none."""

from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from channels.routing import URLRouter
from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.http.request import split_domain_port

_DEFAULT_PORTS = {"http": 80, "https": 443}


class ExactOriginValidator:
    """Refuses, with 403, a websocket that a page of another origin opens: its cookies would come along.

    The page's scheme, host and port must be those that the handshake was sent to, and that host one of ALLOWED_HOSTS;
    or they must be in CSRF_TRUSTED_ORIGINS (wildcards too). Channels' own validator compares only hosts and lets any
    port pass. Behind a proxy, the handshake looks like plain http to another host here: SECURE_PROXY_SSL_HEADER,
    USE_X_FORWARDED_HOST and USE_X_FORWARDED_PORT say otherwise, as they do for Django's forms, or CSRF_TRUSTED_ORIGINS
    names the origin that users see.

    A path that the router behind it does not know is refused in the same way: the router raises ValueError, which
    servers log with a traceback, once for each request of whoever tries out paths.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        if not self.allows(dict(scope["headers"]), scope.get("scheme", "ws")) or not self.leads_on(scope):
            return await WebsocketDenier()(scope, receive, send)
        return await self.application(scope, receive, send)

    def leads_on(self, scope: dict[str, Any]) -> bool:
        """Whether the application has the path of this handshake, as far as its routes say."""
        return _leads_on(self.application, scope)

    def allows(self, headers: dict[bytes, bytes], scheme: str) -> bool:
        page = _parse(headers.get(b"origin", b"").decode("latin1").lower())
        if page is None:
            return False  # missing, "null", or not an origin
        return page == _own(headers, scheme) or any(
            _matches(page, trusted.lower()) for trusted in settings.CSRF_TRUSTED_ORIGINS
        )


def _leads_on(application: Any, scope: dict[str, Any]) -> bool:
    """Whether the routes of this router, and of those in it, have the path; any other application has all paths."""
    if not isinstance(application, URLRouter):
        return True
    path = scope["path"]
    if "path_remaining" in scope:
        path = scope["path_remaining"]
    elif root := scope.get("root_path", ""):
        if not path.startswith(root):
            return False
        path = path[len(root) :]
    for route in application.routes:
        if match := route.pattern.match(path.lstrip("/")):
            return _leads_on(route.callback, {**scope, "path_remaining": match[0]})
    return False


_Origin = tuple[str, str, int]  # scheme, host, port


def _parse(origin: str) -> _Origin | None:
    """The origin in a header; None if it is none."""
    try:
        url = urlsplit(origin)
        port = url.port
    except ValueError:
        return None
    if url.scheme not in _DEFAULT_PORTS or not url.hostname or url.path or url.query or url.fragment or url.username:
        return None
    return url.scheme, url.hostname, port or _DEFAULT_PORTS[url.scheme]


def _own(headers: dict[bytes, bytes], scheme: str) -> _Origin | None:
    """The origin that the handshake was sent to, as Django would say it of a page; None if it is not this site's."""
    plain = "https" if scheme in ("wss", "https") else "http"
    request = ASGIRequest(
        {"type": "http", "method": "GET", "path": "/", "scheme": plain, "headers": headers.items()}, BytesIO()
    )
    if b"host" not in headers and b"x-forwarded-host" not in headers:
        return None
    try:
        host = request.get_host().lower()
    except DisallowedHost:
        return None
    port = headers.get(b"x-forwarded-port", b"").decode("latin1") if settings.USE_X_FORWARDED_PORT else ""
    if port and not split_domain_port(host)[1]:
        host = f"{host}:{port}"
    return _parse(f"{request.scheme}://{host}")


def _matches(page: _Origin, trusted: str) -> bool:
    known = _parse(trusted.replace("://*.", "://"))
    if known is None:
        return False
    scheme, host, port = known
    if (page[0], page[2]) != (scheme, port):
        return False
    return page[1] == host if "://*." not in trusted else page[1].endswith("." + host)
