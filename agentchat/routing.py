"""Where the websockets are, and from which pages they may be opened."""

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host
from django.urls import path

from agentchat.consumers import ChatConsumer
from agentchat.consumers_list import ListConsumer

websocket_urlpatterns = [
    path("ws/chat/<uuid:session_id>/", ChatConsumer.as_asgi()),
    path("ws/chats/", ListConsumer.as_asgi()),
]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class ExactOriginValidator:
    """Refuses, with 403, a websocket that a page of another origin opens: its cookies would come along.

    The page's scheme, host and port must be those that the handshake was sent to, and that host one of ALLOWED_HOSTS;
    or they must stand in CSRF_TRUSTED_ORIGINS (wildcards too). Channels' own validator compares only hosts and lets any
    port pass. Behind a proxy that ends TLS, the handshake looks like plain http here: SECURE_PROXY_SSL_HEADER says
    otherwise, as it does for Django's forms, or CSRF_TRUSTED_ORIGINS names the origin that people see.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        if not self.allows(dict(scope["headers"]), scope.get("scheme", "ws")):
            return await WebsocketDenier()(scope, receive, send)
        return await self.application(scope, receive, send)

    def allows(self, headers: dict[bytes, bytes], scheme: str) -> bool:
        page = _parts(headers.get(b"origin", b"").decode("latin1").lower())
        if page is None:
            return False  # missing, "null", or not an origin
        return page == _own(headers, scheme) or any(
            _matches(page, trusted.lower()) for trusted in settings.CSRF_TRUSTED_ORIGINS
        )


Parts = tuple[str, str, int]


def _parts(origin: str) -> Parts | None:
    """Scheme, host and port of an origin; None if it is none."""
    try:
        url = urlsplit(origin)
        port = url.port
    except ValueError:
        return None
    if url.scheme not in _DEFAULT_PORTS or not url.hostname or url.path or url.query or url.fragment or url.username:
        return None
    return url.scheme, url.hostname, port or _DEFAULT_PORTS[url.scheme]


def _own(headers: dict[bytes, bytes], scheme: str) -> Parts | None:
    """The origin that the handshake was sent to; None if it is not one of ours."""
    host = headers.get(b"host", b"").decode("latin1").lower()
    secure = scheme in ("wss", "https")
    if settings.SECURE_PROXY_SSL_HEADER:
        name, value = settings.SECURE_PROXY_SSL_HEADER
        header = name.removeprefix("HTTP_").replace("_", "-").lower().encode()
        secure = secure or headers.get(header, b"").decode("latin1").split(",")[0].strip() == value
    own = _parts(f"{'https' if secure else 'http'}://{host}")
    allowed = settings.ALLOWED_HOSTS or ([".localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    if own is None or not validate_host(split_domain_port(host)[0], allowed):
        return None
    return own


def _matches(page: Parts, trusted: str) -> bool:
    known = _parts(trusted.replace("://*.", "://"))
    if known is None:
        return False
    scheme, host, port = known
    if (page[0], page[2]) != (scheme, port):
        return False
    return page[1] == host if "://*." not in trusted else page[1].endswith("." + host)
