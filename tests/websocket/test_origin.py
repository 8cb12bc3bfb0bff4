"""Which pages may open a websocket, where a proxy says what users see: by Django's own settings for that. And where."""

import pytest
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.urls import path as path_of

from agentchat.routing import ExactOriginValidator
from tests import factories

PROXY = {
    b"host": b"internal:8000",
    b"x-forwarded-host": b"chat.example",
    b"x-forwarded-port": b"8443",
    b"x-forwarded-proto": b"https",
}


@pytest.fixture
def allows(settings):
    settings.ALLOWED_HOSTS = ["chat.example", "internal"]

    def allows(origin, headers=PROXY, **changed):
        for name, value in changed.items():
            setattr(settings, name, value)
        return ExactOriginValidator(None).allows({**headers, b"origin": origin}, "ws")

    return allows


@pytest.mark.parametrize(
    ("origin", "changed"),
    [
        (b"http://internal:8000", {}),
        (b"http://chat.example", {"USE_X_FORWARDED_HOST": True}),
        (b"http://chat.example:8443", {"USE_X_FORWARDED_HOST": True, "USE_X_FORWARDED_PORT": True}),
        (b"http://internal:8000", {"USE_X_FORWARDED_PORT": True}),  # the host names a port itself
        (
            b"https://chat.example",
            {"USE_X_FORWARDED_HOST": True, "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")},
        ),
    ],
)
def test_a_page_is_ours_as_the_settings_for_proxies_say_and_not_otherwise(allows, origin, changed):
    every = (b"http://internal:8000", b"http://chat.example", b"http://chat.example:8443", b"https://chat.example")
    assert [each for each in every if allows(each, **changed)] == [origin]


@pytest.mark.parametrize("host", [b"evil.example", b"chat.example, evil.example", b"chat.example/x", b""])
def test_a_forwarded_host_is_one_of_ours(allows, host):
    headers = {**PROXY, b"x-forwarded-host": host}
    assert not allows(b"http://" + host, headers, USE_X_FORWARDED_HOST=True)


@pytest.mark.parametrize("port", [b"x", b"99999", b"80@evil.example", b""])
def test_a_forwarded_port_that_is_none_opens_no_other_door(allows, port):
    headers = {**PROXY, b"x-forwarded-port": port}
    assert not allows(b"http://evil.example", headers, USE_X_FORWARDED_HOST=True, USE_X_FORWARDED_PORT=True)


def test_a_handshake_without_a_host_is_nobody_s(allows):
    assert not allows(b"http://unknown:0", {})


# --- paths that lead to no websocket ----------------------------------------------------------------------------------

ID = "9e107d9d-372b-4b6f-8a2c-0123456789ab"
UNKNOWN = ["/", "", "//", "/ws/", "/ws/chat/", f"/ws/chat/{ID}", f"/ws/chat/{ID}/x", "/ws/chats", "/ws/\ud800", "/\n"]


async def handshake(path, **scope):
    """What a server hears when a page of this site opens a websocket at this path, up to its refusal or acceptance."""
    headers = [(b"host", b"chat.example"), (b"origin", b"http://chat.example")]
    socket = WebsocketCommunicator(factories.sockets, path, headers)
    socket.scope.update(scope)
    await socket.send_input({"type": "websocket.connect"})
    answer = await socket.receive_output(timeout=10)
    await socket.wait()  # raises what the application has raised
    return answer["type"]


@pytest.mark.parametrize("path", UNKNOWN)
async def test_a_path_that_leads_nowhere_is_refused_without_an_error(settings, path):
    settings.ALLOWED_HOSTS = ["chat.example"]
    assert await handshake(f"http://chat.example{path}" if not path.startswith("/") else path) == "websocket.close"


async def test_a_path_outside_the_root_path_is_refused_without_an_error(settings):
    settings.ALLOWED_HOSTS = ["chat.example"]
    assert await handshake("/ws/chats/", root_path="/below") == "websocket.close"


@pytest.mark.parametrize(
    ("path", "leads"), [("/ws/chats/", True), ("/below/ws/chats/", True), ("/below/ws/no/", False)]
)
def test_routers_in_routers_are_asked_too(path, leads):
    inner = URLRouter([path_of("ws/chats/", anything)])
    outer = URLRouter([path_of("below/", inner), path_of("", inner)])
    assert ExactOriginValidator(outer).leads_on({"path": path}) is leads
    assert ExactOriginValidator(anything).leads_on({"path": path})


async def anything(scope, receive, send):
    """An application that has all paths."""
