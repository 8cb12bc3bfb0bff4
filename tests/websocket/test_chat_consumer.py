"""The websocket of a chat: what it admits, what it answers, and what it never does."""

import asyncio
import json
import threading
import uuid

import pytest
from asgiref.sync import sync_to_async
from channels.consumer import AsyncConsumer

from agentchat import server
from agentchat.actions import messages
from agentchat.core import registry
from agentchat.infra.fair_queue import current_lanes
from agentchat.models import ChatSession, Event
from agentchat.presentation import live
from agentchat.realtime import frames, send_window
from agentchat.realtime.chat_list import group_of_owner, group_of_visitor
from agentchat.realtime.hub import current_hub
from agentchat.runs.runner import runner
from agentchat.visitors import NO_VISITOR, guest_digest
from agentchat.websocket import base as websocket_base
from agentchat.websocket import visitor_limits
from agentchat.websocket.chat_consumer import ChatConsumer
from agentchat.websocket.client_frames import max_frame_bytes
from agentchat.websocket.connections import CloseCode, current_connections
from tests import factories
from tests.factories import HOST

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest.fixture(autouse=True)
def hosts(settings):
    settings.ALLOWED_HOSTS = [HOST]
    settings.AGENTCHAT = {"GUESTS": True}


@pytest.fixture(autouse=True)
async def server_loop():
    server.start()
    yield
    await server.stop()


@pytest.fixture
def echo():
    @registry.on_connect("echo")
    def echo(iostream):
        iostream.print(iostream.input())

    yield "echo"
    registry.unregister("echo")


class Tab(factories.Tab):
    """One that shows a chat."""

    def __init__(self, client, session_id, **headers):
        super().__init__(client, f"/ws/chat/{session_id}/", **headers)


@sync_to_async
def signed_in(name="ada"):
    user = factories.account(name)
    return factories.signed_in(user), user


@sync_to_async
def chat_of(user, agent="echo"):
    return ChatSession.objects.create(owner=user, agent=agent)


@pytest.fixture
async def tab(echo):
    client, user = await signed_in()
    session = await chat_of(user)
    tab = Tab(client, session.pk)
    tab.client, tab.session, tab.user = client, session, user
    assert await tab.open()
    await tab.send(type="ping")  # answered when it has been let in
    assert await tab.next() == {"type": "pong"}
    yield tab
    await tab.socket.disconnect()


async def test_what_a_socket_reads_and_saves_takes_its_owner_s_share_of_the_threads(echo, monkeypatch):
    owners = {}

    def record(module, name):
        original = getattr(module, name)

        def recorded(*args, **kwargs):
            owners[name] = current_lanes().get("owner")
            return original(*args, **kwargs)

        monkeypatch.setattr(module, name, recorded)

    for module, name in (
        (websocket_base, "_visitor_of"),
        (frames, "frames_after"),
        (live, "fragments_of"),
        (messages, "send"),
    ):
        record(module, name)
    client, user = await signed_in()
    tab = Tab(client, (await chat_of(user)).pk)
    assert await tab.open()
    await tab.send(type="hello", after=0, html=True)
    await tab.send(type="send", id=str(uuid.uuid4()), text="hi")
    await tab.until("RUN_FINISHED")
    await tab.close()
    own = group_of_owner(user.pk, "")
    assert owners == {
        "_visitor_of": group_of_visitor(NO_VISITOR),  # nobody yet
        "frames_after": own,
        "fragments_of": own,
        "send": own,
    }


async def test_a_guest_who_has_sent_too_much_is_told_when_to_try_again(echo, settings):
    settings.AGENTCHAT = {"GUESTS": True, "GUEST_MESSAGES_PER_MINUTE": 1, "GUEST_ADDRESSES": 1}
    client = await sync_to_async(factories.guest)("a key")
    session = await sync_to_async(ChatSession.objects.create)(guest_key=guest_digest("a key"), agent="echo")
    tab = Tab(client, session.pk)
    assert await tab.open()
    for _ in range(2):
        await tab.send(type="send", id=str(uuid.uuid4()), text="hi")
    rejected = await tab.next()
    assert (rejected["type"], rejected["code"]) == ("rejected", "rate_limited")
    assert 0 < rejected["retryAfter"] <= 60
    await tab.close()


async def test_a_message_goes_in_and_its_events_come_back_numbered(tab):
    await tab.send(type="hello", after=0)
    client_id = str(uuid.uuid4())
    await tab.send(type="send", id=client_id, text="hi")
    frames = await tab.until("RUN_FINISHED")
    assert [f["type"] for f in frames] == [
        "RUN_STARTED",
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_END",
        "PRINTED",
        "RUN_FINISHED",
    ]
    assert [f["seq"] for f in frames] == [1, 2, 3, 4, 5]
    assert frames[1]["messageId"] == client_id
    assert frames[1]["role"] == "user"
    assert frames[1]["name"] == "ada"
    assert {f["run"] for f in frames} == {1}


async def test_hello_catches_up_from_where_the_client_is(tab):
    await tab.send(type="hello", after=0)
    await tab.send(type="send", id=str(uuid.uuid4()), text="hi")
    frames = await tab.until("RUN_FINISHED")
    second = Tab(tab.client, tab.session.pk)
    assert await second.open()
    await second.send(type="hello", after=3)
    assert await second.until("RUN_FINISHED") == frames[3:]
    await second.socket.disconnect()


@pytest.mark.parametrize("is_staff", [False, True])
async def test_why_a_run_failed_is_told_to_staff_alone(tab, is_staff):
    tab.user.is_staff = is_staff
    await sync_to_async(tab.user.save)()
    detail = {"code": "llm", "message": "Sorry.", "id": "e7", "params": {}, "detail": "HTTP 402: Pay, Acme"}
    await sync_to_async(factories.tell)(tab.session, ("RUN_STARTED", {}), ("RUN_ERROR", detail))
    second = Tab(tab.client, tab.session.pk)
    assert await second.open()
    await second.send(type="hello", after=0)
    frames = await second.until("RUN_ERROR")
    assert frames[-1].get("detail") == ("HTTP 402: Pay, Acme" if is_staff else None)
    await second.socket.disconnect()


async def test_a_message_sent_twice_counts_once(tab):
    await tab.send(type="hello", after=0)
    client_id = str(uuid.uuid4())
    await tab.send(type="send", id=client_id, text="hi")
    await tab.until("RUN_FINISHED")
    await tab.send(type="send", id=client_id, text="hi")
    await tab.send(type="ping")
    assert await tab.next() == {"type": "pong"}
    assert await sync_to_async(tab.session.inbox.count)() == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_json"),
        ("{", "bad_json"),
        ("[1]", "bad_frame"),
        ('"hello"', "bad_frame"),
        ('{"type": "nonsense"}', "bad_frame"),
        ('{"type": "send", "id": "not a uuid", "text": "x"}', "bad_frame"),
        ('{"type": "send", "text": "x"}', "bad_frame"),
        ('{"type": "send", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "text": 5}', "bad_frame"),
        ('{"type": "send", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "text": "  "}', "empty"),
        ('{"type": "hello", "after": -1}', "bad_frame"),
        ('{"type": "ping", "more": 1}', "bad_frame"),
        ('{"type": "retry"}', "bad_frame"),
        ('{"type": "retry", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111"}', "nothing_to_retry"),
        ('{"type": "retry", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "message": ""}', "bad_frame"),
        ('{"type": "retry", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "message": "a\\u0000"}', "bad_frame"),
        ('{"type": "retry", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "message": "m"}', "no_such_message"),
        ('{"type": "edit", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "text": "x"}', "bad_frame"),
        ('{"type": "edit", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "message": "m", "text": ""}', "empty"),
        (
            '{"type": "edit", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "message": "m", "text": "x"}',
            "no_such_message",
        ),
        ('{"type": "branch", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "run": 0}', "bad_frame"),
        ('{"type": "branch", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "run": 7}', "no_such_run"),
        ('{"type": "feedback", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "message": "m"}', "bad_frame"),
        (
            '{"type": "feedback", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "message": "m", "value": "so"}',
            "bad_frame",
        ),
        (
            '{"type": "feedback", "id": "7f6c0e0e-8a50-4f5c-9d62-111111111111", "message": "m", "value": "up"}',
            "no_such_message",
        ),
        ("x" * (max_frame_bytes(32_000) + 1), "too_large"),
        ("漢" * (max_frame_bytes(32_000) // 3 + 1), "too_large"),
        ("[" * 60_000, "bad_json"),
    ],
)
async def test_what_is_no_frame_is_rejected_and_the_socket_lives(tab, text, code):
    await tab.socket.send_input({"type": "websocket.receive", "text": text})
    rejected = await tab.next()
    assert (rejected["type"], rejected["code"]) == ("rejected", code)
    await tab.send(type="ping")
    assert await tab.next() == {"type": "pong"}


async def test_a_frame_that_is_too_large_is_not_parsed_for_its_id(tab):
    await tab.send(type="send", id=str(uuid.uuid4()), text="x" * max_frame_bytes(32_000))
    rejected = await tab.next()
    assert (rejected["code"], rejected["id"]) == ("too_large", None)


@pytest.mark.parametrize("is_escaped", [True, False])
async def test_a_message_of_as_many_characters_as_are_allowed_arrives_in_any_script(tab, is_escaped):
    await tab.send(type="hello", after=0)
    for character in "x漢ก😀\x01":
        frame = {"type": "send", "id": str(uuid.uuid4()), "text": "." + character * 31_998 + "."}
        await tab.socket.send_to(text_data=json.dumps(frame, ensure_ascii=is_escaped))
        frames = await tab.until("RUN_FINISHED")
        assert frame["text"] in [frame.get("content") for frame in frames]
        await tab.send(type="send", id=frame["id"], text=character * 32_001)
        assert (await tab.next())["code"] == "too_long"


async def test_bytes_are_rejected_and_the_socket_lives(tab):
    await tab.socket.send_to(bytes_data=b"{}")
    assert (await tab.next())["code"] == "not_text"
    await tab.send(type="ping")
    assert await tab.next() == {"type": "pong"}


async def test_a_rejected_frame_is_named_by_its_id(tab):
    client_id = str(uuid.uuid4())
    await tab.send(type="send", id=client_id, text="")
    assert (await tab.next())["id"] == client_id


async def test_a_message_beyond_the_limit_is_rejected(tab, settings):
    settings.AGENTCHAT = {"GUESTS": True, "MESSAGES_PER_MINUTE": 1}
    await tab.send(type="send", id=str(uuid.uuid4()), text="one")
    await tab.send(type="send", id=str(uuid.uuid4()), text="two")
    assert (await tab.next())["code"] == "too_many_messages"


async def test_a_flood_of_frames_is_closed(tab):
    for _ in range(300):
        await tab.send(type="ping")
    assert await tab.closed_at_last() == CloseCode.TOO_MANY


async def test_a_flood_of_long_frames_is_closed_sooner(tab):
    for _ in range(60):
        await tab.send(type="send", id="", text="x" * 400_000)
    assert await tab.closed_at_last() == CloseCode.TOO_MANY


def closed_to_all(user):
    return False


def fails(user):
    raise RuntimeError("allow() is broken")


@pytest.mark.parametrize("allow", [closed_to_all, fails])
async def test_a_chat_with_an_agent_that_is_not_open_to_its_owner_is_not_found(tab, allow):
    @registry.on_connect("guarded", allow=allow)
    def guarded(iostream):
        iostream.input()

    try:
        session = await chat_of(tab.user, "guarded")
        guarded_tab = Tab(tab.client, session.pk)
        assert await guarded_tab.open()
        await guarded_tab.send(type="ping")  # answered if it was let in
        assert await guarded_tab.closed() == CloseCode.NOT_FOUND
    finally:
        registry.unregister("guarded")


async def test_the_shared_thread_may_be_busy_and_a_socket_opens_answers_and_closes(tab):
    loop, is_busy, release = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def slow_view():
        loop.call_soon_threadsafe(is_busy.set)
        release.wait(60)

    view = asyncio.create_task(sync_to_async(slow_view, thread_sensitive=True)())
    try:
        await asyncio.wait_for(is_busy.wait(), 10)
        other = Tab(tab.client, tab.session.pk)
        assert await other.open()
        await other.send(type="ping")
        assert await other.next() == {"type": "pong"}
        await other.socket.disconnect(timeout=10)
        assert not view.done()
    finally:
        release.set()
        await view


@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", f"http://{HOST}:8001", f"https://{HOST}", f"http://{HOST}.evil.example", "x"],
)
async def test_a_page_of_another_origin_opens_no_socket(tab, origin):
    assert not await Tab(tab.client, tab.session.pk, origin=origin).open()


async def test_a_host_that_is_not_ours_opens_no_socket(tab):
    rebound = Tab(tab.client, tab.session.pk, origin="http://evil.example", host="evil.example")
    assert not await rebound.open()


async def test_a_trusted_origin_opens_a_socket(tab, settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://chat.example.com"]
    trusted = Tab(tab.client, tab.session.pk, origin="https://chat.example.com")
    assert await trusted.open()
    await trusted.socket.disconnect()


async def test_behind_a_proxy_with_tls_the_page_is_https(tab, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    proxied = Tab(tab.client, tab.session.pk, origin=f"https://{HOST}")
    proxied.socket.scope["headers"].append((b"x-forwarded-proto", b"https"))
    assert await proxied.open()
    await proxied.socket.disconnect()


async def test_signing_out_closes_the_open_socket(tab):
    await current_connections().revalidate()
    await tab.send(type="ping")
    assert await tab.next() == {"type": "pong"}
    await sync_to_async(tab.client.logout)()
    await current_connections().revalidate()
    assert await tab.closed() == CloseCode.SIGN_IN


async def test_a_new_password_closes_the_open_socket(tab):
    tab.user.set_password("another")
    await sync_to_async(tab.user.save)()
    await current_connections().revalidate()
    assert await tab.closed() == CloseCode.SIGN_IN


async def test_a_deactivated_user_is_out_of_the_open_socket(tab):
    tab.user.is_active = False
    await sync_to_async(tab.user.save)()
    await current_connections().revalidate()
    assert await tab.closed() == CloseCode.SIGN_IN


async def test_a_broken_allow_closes_its_own_sockets_and_the_look_goes_on(tab, caplog):
    is_broken = False

    @registry.on_connect("guarded", allow=lambda user: fails(user) if is_broken else True)
    def guarded(iostream):
        iostream.input()

    try:
        guarded_tab = Tab(tab.client, (await chat_of(tab.user, "guarded")).pk)
        assert await guarded_tab.open()
        await guarded_tab.send(type="ping")
        assert await guarded_tab.next() == {"type": "pong"}
        is_broken = True
        await sync_to_async(tab.session.delete)()
        await current_connections().revalidate()
        assert await guarded_tab.closed() == CloseCode.NOT_FOUND
        assert await tab.closed() == CloseCode.NOT_FOUND
        assert "allow() of agent function 'guarded' failed" in caplog.text
    finally:
        registry.unregister("guarded")


async def test_a_server_that_stops_says_come_back(tab):
    await server.stop()
    assert await tab.closed() == CloseCode.RESTART


async def test_a_socket_that_opens_while_the_server_stops_is_told_to_come_back(tab, monkeypatch):
    def stops_meanwhile(key):
        runner.stop_claiming()
        return look_up(key)

    look_up = websocket_base._visitor_of
    monkeypatch.setattr(websocket_base, "_visitor_of", stops_meanwhile)
    other = Tab(tab.client, tab.session.pk)
    assert await other.open()
    assert await other.closed() == CloseCode.RESTART


@pytest.mark.parametrize("error", [OSError("gone"), ConnectionResetError()])
async def test_a_server_says_that_the_client_has_gone_and_that_is_no_failure(tab, monkeypatch, caplog, error):
    """uvicorn, for one, raises an OSError, from the moment at which either side has begun to close."""
    caplog.set_level("DEBUG", logger="agentchat.websocket.connections")
    await tab.send(type="hello", after=0)
    await tab.send(type="ping")
    assert await tab.next() == {"type": "pong"}
    tries = []

    async def gone(consumer, message):
        tries.append(message["type"])
        raise error

    monkeypatch.setattr(AsyncConsumer, "send", gone)
    await tab.send(type="ping")
    await tab.send(type="nothing")
    await tab.send(type="send", id=str(uuid.uuid4()), text="saved all the same")
    async with asyncio.timeout(10):
        while not await Event.objects.filter(session=tab.session).aexists():
            await asyncio.sleep(0.01)
    await server.stop()
    await tab.socket.disconnect()
    assert set(tries) == {"websocket.send", "websocket.close"}
    [record] = caplog.records
    assert (record.levelname, "could not be closed with 4012" in record.getMessage()) == ("DEBUG", True)


async def test_what_is_answered_after_a_socket_was_closed_is_not_sent(tab, monkeypatch):
    async def closes_first(consumer, received):
        await consumer.leave(CloseCode.RESTART)
        await consumer.leave(CloseCode.TOO_SLOW)
        await consumer.send_counted("late")

    monkeypatch.setattr(ChatConsumer, "on_ack", closes_first)
    await tab.send(type="ack", seq=0, bytes=0)
    assert await tab.closed() == CloseCode.RESTART
    assert await tab.socket.receive_nothing()


async def test_stop_ends_the_run_of_this_chat_session(tab):
    @registry.on_connect("waits")
    def waits(iostream):
        iostream.input()
        iostream.input("Well?")

    try:
        session = await chat_of(tab.user, "waits")
        other = Tab(tab.client, session.pk)
        assert await other.open()
        await other.send(type="hello", after=0)
        await other.send(type="send", id=str(uuid.uuid4()), text="hi")
        await other.until("INPUT_REQUESTED")
        await other.send(type="stop")
        assert (await other.until("RUN_FINISHED"))[-1]["outcome"] == {"type": "cancelled"}
        await other.socket.disconnect()
    finally:
        registry.unregister("waits")


async def test_a_socket_leaves_nothing_behind(tab):
    await tab.send(type="hello", after=0)
    await tab.send(type="send", id=str(uuid.uuid4()), text="hi")
    await tab.until("RUN_FINISHED")
    assert current_hub().watched() == [tab.session.pk]
    await tab.socket.disconnect()
    for _ in range(100):
        if not current_hub().watched():
            break
        await asyncio.sleep(0)
    assert current_hub().watched() == []


async def test_a_message_is_tried_again_edited_rated_and_its_versions_switched_over_the_socket(tab):
    await tab.send(type="hello", after=0)
    message = str(uuid.uuid4())
    await tab.send(type="send", id=message, text="hi")
    await tab.until("RUN_FINISHED")
    edit = str(uuid.uuid4())
    await tab.send(type="edit", id=edit, message=message, text="ho")
    frames = await tab.until("RUN_FINISHED")
    assert (frames[0]["type"], frames[0]["parent"], frames[0]["fromSeq"]) == ("RUN_STARTED", 1, 2)
    assert [f["text"] for f in frames if f["type"] == "PRINTED"] == ["ho\n"]
    assert frames[1]["messageId"] == edit
    await tab.send(type="branch", id=str(uuid.uuid4()), run=1)
    assert (await tab.next())["type"] == "BRANCH_SELECTED"
    await tab.send(type="feedback", id=str(uuid.uuid4()), message=message, value="up")
    assert (await tab.next())["code"] == "no_such_message"  # it is the person's own


async def test_a_visitor_with_too_many_sockets_is_refused_one_more_and_keeps_the_others(tab, monkeypatch):
    monkeypatch.setattr(visitor_limits, "MAX_SOCKETS", 2)
    second, third = Tab(tab.client, tab.session.pk), Tab(tab.client, tab.session.pk)
    assert await second.open()
    await second.send(type="ping")
    assert await second.next() == {"type": "pong"}
    assert await third.open()
    assert await third.closed() == CloseCode.TOO_MANY
    await tab.send(type="ping")
    assert await tab.next() == {"type": "pong"}
    await second.close()
    fourth = Tab(tab.client, tab.session.pk)
    assert await fourth.open()
    await fourth.send(type="ping")
    assert await fourth.next() == {"type": "pong"}
    await fourth.close()


async def test_what_a_client_has_not_acknowledged_counts_rejections_and_pongs_too(tab, monkeypatch):
    monkeypatch.setattr(send_window, "CLOSE_IN_FLIGHT", 2_000)
    for _ in range(100):
        await tab.socket.send_to(text_data='{"type": "nothing"}')
        await tab.send(type="ping")
    assert await tab.closed_at_last() == CloseCode.TOO_SLOW


async def test_a_server_that_cannot_send_is_waited_for_and_then_its_socket_is_closed(tab, monkeypatch):
    monkeypatch.setattr(websocket_base, "SLOW_SECONDS", 0.05)
    monkeypatch.setattr(visitor_limits.VisitorSockets, "may_send", lambda self, socket: False)
    await tab.send(type="ping")
    assert await tab.closed() == CloseCode.TOO_SLOW


@pytest.mark.parametrize("html", [False, True])
async def test_no_fact_is_too_large_to_be_watched(tab, html):
    call = {"toolCallId": "c1"}
    await sync_to_async(factories.tell)(
        tab.session,
        ("RUN_STARTED", {}),
        ("TOOL_CALL_START", {**call, "toolCallName": "search", "name": "bot"}),
        ("TOOL_CALL_ARGS", {**call, "args": json.dumps({"a": '"&<' * 200_000})}),
        ("TOOL_CALL_END", call),
        ("TOOL_CALL_RESULT", {**call, "messageId": "t", "content": "&" * 2_000_000, "ok": True, "durationMs": 1}),
        *factories.said("1-1", "語" * 530_000),
        ("PRINTED", {"text": '"' * 3_000_000}),
        ("INPUT_REQUESTED", {"request": "r", "kind": "form", "prompt": "?", "initial": {"a": ["x" * 9] * 200_000}}),
        ("RUN_FINISHED", {"outcome": {"type": "success"}}),
    )
    second = Tab(tab.client, tab.session.pk)
    assert await second.open()
    await second.send(type="hello", after=0, html=html)
    texts = []
    while not texts or json.loads(texts[-1])["type"] != "RUN_FINISHED":
        texts.append(await second.socket.receive_from(timeout=30))
    assert max(len(text.encode()) for text in texts) < 2**20
    frames = [json.loads(text) for text in texts]
    assert [frame["seq"] for frame in frames] == list(range(1, 11))
    cut = {frame["type"]: frame["cut"] for frame in frames if "cut" in frame}
    assert cut["TOOL_CALL_RESULT"] == {"content": 2_000_000}
    assert cut["TEXT_MESSAGE_END"] == {"content": 530_000}
    assert cut["PRINTED"] == {"text": 3_000_000}
    assert set(cut["INPUT_REQUESTED"]) == {"initial"}
    await second.close()
