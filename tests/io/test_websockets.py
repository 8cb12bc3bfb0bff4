"""A websocket server in a thread, as its clients and agent functions see it: over real sockets, with bounded waits."""

import asyncio
import contextlib
import contextvars
import inspect
import queue
import re
import socket
import sys
import threading
import time
from contextlib import ExitStack

import pytest
from pydantic import BaseModel
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect
from websockets.uri import parse_uri

from agentchat import ConversableAgent, IOStream, UserProxyAgent, llm_config, register_function, staff
from agentchat.core.addressees import delegation_of
from agentchat.core.approvals import Approval
from agentchat.core.async_bridge import bridge_of
from agentchat.errors import ConfigError, Disconnected
from agentchat.io import limited_connection, websocket_server
from agentchat.io.websockets import MAX_FRAME_CHARS, MAX_UNREAD, IOWebsockets
from agentchat.testing import call, say

WAIT_SECONDS = 10.0
SOON_SECONDS = 1.0
RULE = "\n" + "-" * 80 + "\n"


class Ended:
    """Wraps an agent function: `how()` waits for its end and returns what it raised, or None."""

    def __init__(self, on_connect):
        self._on_connect = on_connect
        self._ends = queue.SimpleQueue()

    def __call__(self, iostream):
        end = None
        try:
            self._on_connect(iostream)
        except BaseException as error:
            end = error
            raise
        finally:
            self._ends.put(end)

    def how(self, timeout=WAIT_SECONDS):
        return self._ends.get(timeout=timeout)


@pytest.fixture
def serve():
    """Start a server on a free port. It is closed when the test ends, or by `close()` of the result."""
    with ExitStack() as servers:

        def start(on_connect, **options):
            stack = servers.enter_context(ExitStack())
            options.setdefault("port", 0)
            stack.uri = stack.enter_context(IOWebsockets.run_server_in_thread(on_connect=on_connect, **options))
            return stack

        yield start


def frames_of(client):
    """All frames until the close, and its code."""
    frames = []
    try:
        while True:
            frames.append(client.recv(WAIT_SECONDS))
    except ConnectionClosed:
        return frames, client.close_code


def agents(llm_config, *tools):
    """The guide's two agents, with these tools."""
    bot = ConversableAgent("chatbot", "Say TERMINATE at the end.", human_input_mode="NEVER", llm_config=llm_config)
    proxy = UserProxyAgent(
        "user_proxy",
        human_input_mode="NEVER",
        max_consecutive_auto_reply=10,
        is_termination_msg=lambda message: (message["content"] or "").rstrip().endswith("TERMINATE"),
    )
    for tool in tools:
        register_function(tool, caller=bot, executor=proxy)
    return bot, proxy


def server_threads():
    return [thread for thread in threading.enumerate() if "agentchat-websocket" in thread.name]


# --- frames -----------------------------------------------------------------------------------------------------------


def test_a_print_is_one_frame_with_its_end(serve):
    def talk(iostream):
        iostream.print("one", 2, sep="-")
        iostream.print("three", end="")
        iostream.print()

    with connect(serve(talk).uri) as client:
        assert frames_of(client) == (["one-2\n", "three", "\n"], 1000)


def test_a_lone_surrogate_does_not_drop_the_connection(serve):
    with connect(serve(lambda iostream: iostream.print("a\ud83d", end="")).uri) as client:
        assert frames_of(client) == (["a?"], 1000)


def test_a_prompt_is_a_frame_and_the_next_message_is_the_answer(serve):
    def talk(iostream):
        iostream.print(iostream.input("Who? ") + "!", end="")

    with connect(serve(talk).uri) as client:
        assert client.recv(WAIT_SECONDS) == "Who? "
        client.send("Ada")
        assert frames_of(client) == (["Ada!"], 1000)


def test_an_empty_prompt_sends_no_frame(serve):
    with connect(serve(lambda iostream: iostream.print(iostream.input(), end="")).uri) as client:
        client.send("Ada")
        assert frames_of(client) == (["Ada"], 1000)


def test_bytes_are_decoded(serve):
    with connect(serve(lambda iostream: iostream.print(iostream.input(), end="")).uri) as client:
        client.send("Zoë".encode())
        assert frames_of(client) == (["Zoë"], 1000)


def test_bytes_that_are_not_utf8_close_the_connection_with_1007(serve):
    talk = Ended(lambda iostream: iostream.input())
    with connect(serve(talk).uri) as client:
        client.send(b"\xff")
        assert frames_of(client) == ([], 1007)
    assert isinstance(talk.how(), Disconnected)


def test_the_agent_function_may_call_the_connection(serve):
    def talk(iostream):
        iostream.websocket.send(f"{iostream.websocket.request.path} {iostream.websocket.remote_address[0]}")

    with connect(f"{serve(talk).uri}/room/7") as client:
        assert frames_of(client) == (["/room/7 127.0.0.1"], 1000)


# --- the server -------------------------------------------------------------------------------------------------------


def test_the_uri_has_the_free_port(serve):
    server = serve(lambda iostream: None)
    assert re.fullmatch(r"ws://127\.0\.0\.1:[1-9]\d*", server.uri)
    with connect(server.uri) as client:
        assert frames_of(client) == ([], 1000)


def test_a_server_listens_on_ipv6(serve):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = serve(lambda iostream: iostream.print("six", end=""), host="::1")
    assert server.uri.startswith("ws://[::1]:")
    with connect(server.uri) as client:
        assert frames_of(client) == (["six"], 1000)


def test_under_tls_the_uri_is_wss(serve, certificate):
    server = serve(lambda iostream: iostream.print(iostream.input(), end=""), ssl_context=certificate.server)
    assert server.uri.startswith("wss://127.0.0.1:")
    with connect(server.uri, ssl=certificate.client) as client:
        client.send("secret")
        assert frames_of(client) == (["secret"], 1000)


@pytest.mark.slow
def test_no_tls_client_of_many_is_lost(serve, certificate):
    # With a plain SSLSocket, one in a hundred hangs in its handshake on a busy machine.
    server = serve(lambda iostream: iostream.print(iostream.input(), end=""), ssl_context=certificate.server)
    for number in range(300):
        with connect(server.uri, ssl=certificate.client) as client:
            client.send(str(number))
            assert frames_of(client) == ([str(number)], 1000)


def test_a_port_in_use_is_an_error_at_once(serve):
    port = int(serve(lambda iostream: None).uri.rpartition(":")[2])
    start = time.monotonic()
    with pytest.raises(OSError, match="in use"):
        serve(lambda iostream: None, port=port)
    assert time.monotonic() - start < SOON_SECONDS


def test_the_port_is_free_again_after_the_block(serve):
    server = serve(lambda iostream: None)
    server.close()
    with IOWebsockets.run_server_in_thread(
        port=int(server.uri.rpartition(":")[2]), on_connect=lambda iostream: None
    ) as uri:
        assert uri == server.uri


def test_an_async_function_is_refused_at_once(serve):
    async def talk(iostream):
        raise AssertionError

    with pytest.raises(ConfigError, match=r"on_connect=.*talk.* is async"):
        serve(talk)


def test_each_client_has_its_own_thread_and_default_stream(serve):
    both = threading.Barrier(2)

    def talk(iostream):
        both.wait(WAIT_SECONDS)  # neither could pass alone
        assert IOStream.get_default() is iostream
        IOStream.get_default().print(IOStream.get_default().input(), end="")

    uri = serve(talk).uri
    with connect(uri) as ada, connect(uri) as bob:
        bob.send("Bob")
        ada.send("Ada")
        assert frames_of(ada) == (["Ada"], 1000)
        assert frames_of(bob) == (["Bob"], 1000)


def test_origins_refuse_pages_of_other_sites(serve):
    uri = serve(lambda iostream: iostream.print("hello", end=""), origins=["http://127.0.0.1:8000"]).uri
    with connect(uri, origin="http://127.0.0.1:8000") as client:
        assert frames_of(client) == (["hello"], 1000)
    for origin in ("http://evil.example", "http://127.0.0.1:8001", "null", None):
        with pytest.raises(InvalidStatus, match="403"):
            connect(uri, origin=origin)


def test_without_origins_every_page_may_connect(serve):
    with connect(serve(lambda iostream: iostream.print("hello", end="")).uri, origin="http://evil.example") as client:
        assert frames_of(client) == (["hello"], 1000)


# --- failures ---------------------------------------------------------------------------------------------------------


def test_a_failure_is_reported_with_an_id_that_the_log_has_too(serve, caplog):
    def talk(iostream):
        iostream.print("so far", end="")
        raise ZeroDivisionError("a secret")

    with connect(serve(talk).uri) as client:
        [before, line], code = frames_of(client)
    assert (before, code) == ("so far", 1011)
    told = re.fullmatch(r"Something went wrong\. Please try again\. \[([0-9a-f]{8})\]\n", line)
    [record] = [record for record in caplog.records if record.name == "agentchat.io" and record.exc_info]
    assert told[1] in record.getMessage()
    assert record.exc_info[0] is ZeroDivisionError


def test_an_error_of_agentchat_is_reported_with_its_user_message(serve):
    def talk(iostream):
        raise ConfigError("OPENAI_API_KEY is not set")

    with connect(serve(talk).uri) as client:
        [line], code = frames_of(client)
    assert code == 1011
    assert line.startswith("This agent isn't set up correctly.")


def test_a_function_that_exits_ends_its_client_and_not_the_server(serve):
    uri = serve(lambda iostream: sys.exit(iostream.input())).uri
    for _ in range(2):
        with connect(uri) as client:
            client.send("3")
            assert frames_of(client)[1] == 1011


# --- a client that disconnects ----------------------------------------------------------------------------------------


def leave(client):
    """Disconnect like a browser tab that is closed, and return the time."""
    client.close()
    return time.monotonic()


def test_a_client_that_disconnects_ends_input(serve):
    talk = Ended(lambda iostream: iostream.input("Well? "))
    with connect(serve(talk).uri) as client:
        assert client.recv(WAIT_SECONDS) == "Well? "
        left = leave(client)
    assert isinstance(talk.how(), Disconnected)
    assert time.monotonic() - left < SOON_SECONDS


def test_a_broken_connection_ends_input_too(serve):
    talk = Ended(lambda iostream: iostream.input("Well? "))
    with connect(serve(talk).uri) as client:
        assert client.recv(WAIT_SECONDS) == "Well? "
        client.socket.shutdown(socket.SHUT_RDWR)
        assert isinstance(talk.how(SOON_SECONDS), Disconnected)


def test_a_disconnect_closes_the_connection_to_the_model(serve, scripted_llm):
    """The model has begun to answer and then says nothing, so no print could notice."""
    answer = say("The roofs of Paris are grey").paused(after=2)
    scripted_llm.replies(answer)

    def weather(iostream):
        bot, proxy = agents(scripted_llm.llm_config())
        proxy.initiate_chat(bot, message=iostream.input())

    talk = Ended(weather)
    with connect(serve(talk).uri) as client:
        client.send("A poem")
        answer.wait_until_paused()
        while client.recv(WAIT_SECONDS) != " roofs":
            pass
        left = leave(client)
    scripted_llm.wait_for_disconnect()
    assert isinstance(talk.how(), Disconnected)
    assert time.monotonic() - left < SOON_SECONDS


def test_a_disconnect_closes_it_in_a_chat_that_a_coroutine_started(serve, scripted_llm):
    scripted_llm.replies(answer := say("The roofs of Paris are grey").paused(after=2))

    def weather(iostream):
        bot, proxy = agents(scripted_llm.llm_config())
        asyncio.run(proxy.a_initiate_chat(bot, message="A poem"))

    talk = Ended(weather)
    with connect(serve(talk).uri) as client:
        answer.wait_until_paused()
        left = leave(client)
    scripted_llm.wait_for_disconnect()
    assert isinstance(talk.how(), Disconnected)
    assert time.monotonic() - left < SOON_SECONDS


def test_a_disconnect_ends_the_wait_for_a_tool(serve, scripted_llm):
    scripted_llm.replies(call("slow"))
    begun, done = threading.Event(), threading.Event()

    def slow() -> str:
        """Takes its time."""
        begun.set()
        assert done.wait(WAIT_SECONDS)
        return "done"

    def work(iostream):
        bot, proxy = agents(scripted_llm.llm_config(), slow)
        proxy.initiate_chat(bot, message="Do it")

    talk = Ended(work)
    with connect(serve(talk).uri) as client:
        assert begun.wait(WAIT_SECONDS)
        left = leave(client)
        assert isinstance(talk.how(), Disconnected)
        assert time.monotonic() - left < SOON_SECONDS
    done.set()


def test_a_disconnect_is_noticed_behind_many_unread_messages(serve):
    talk = Ended(lambda iostream: bridge_of(iostream).run(asyncio.Event().wait))
    with connect(serve(talk).uri) as client:
        for number in range(400):  # no more than may come at once
            client.send(str(number))
        left = leave(client)
    assert isinstance(talk.how(), Disconnected)
    assert time.monotonic() - left < SOON_SECONDS


def test_disconnected_is_raised_again_if_it_is_swallowed(serve):
    met = queue.SimpleQueue()

    def stubborn(iostream):
        for use in (iostream.input, iostream.print, lambda: bridge_of(iostream).run(asyncio.Event().wait)) * 2:
            try:
                use()
            except:  # noqa: E722
                met.put(sys.exc_info()[0])

    talk = Ended(stubborn)
    with connect(serve(talk).uri) as client:
        leave(client)
    assert talk.how() is None
    assert [met.get_nowait() for _ in range(6)] == [Disconnected] * 6


def test_a_print_after_the_end_raises_disconnected_and_not_an_error_of_the_library(serve):
    gone = threading.Event()

    def talk(iostream):
        assert gone.wait(WAIT_SECONDS)
        while True:
            iostream.print("still here?")

    talk = Ended(talk)
    with connect(serve(talk).uri) as client:
        leave(client)
    gone.set()
    assert isinstance(talk.how(), Disconnected)


# --- a client that does not read, or sends too much -------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_a_client_that_never_reads_is_disconnected(tls, serve, certificate):
    def flood(iostream):
        while True:
            iostream.print("x" * 2**20)

    talk = Ended(flood)
    uri = serve(talk, send_timeout=0.5, compression=None, ssl_context=certificate.server if tls else None).uri
    with connect(uri, ssl=certificate.client if tls else None, max_queue=1, max_size=None, close_timeout=0):
        assert isinstance(talk.how(), Disconnected)


@pytest.mark.parametrize("tls", [False, True])
def test_a_client_that_never_reads_the_answers_to_its_pings_is_disconnected(tls, serve, certificate, monkeypatch):
    monkeypatch.setattr(limited_connection, "FRAMES_BURST", float("inf"))
    talk = Ended(lambda iostream: iostream.input())
    uri = serve(talk, send_timeout=0.5, ssl_context=certificate.server if tls else None).uri
    protocol = ClientProtocol(parse_uri(uri))
    client = socket.create_connection(("127.0.0.1", parse_uri(uri).port))
    with certificate.client.wrap_socket(client, server_hostname="127.0.0.1") if tls else client as client:
        protocol.send_request(protocol.connect())
        client.sendall(b"".join(protocol.data_to_send()))
        assert client.recv(4096).startswith(b"HTTP/1.1 101")
        pings = Frame(Opcode.PING, b"x" * 125).serialize(mask=True) * 1_000
        with contextlib.suppress(OSError):  # the server has closed it
            while True:
                client.sendall(pings)
    assert isinstance(talk.how(), Disconnected)


FLOODS = {
    "pings": [Frame(Opcode.PING, b"x")] * 2_000,
    "pongs": [Frame(Opcode.PONG, b"")] * 2_000,
    "fragments": [Frame(Opcode.TEXT, b"x", fin=False), *[Frame(Opcode.CONT, b"", fin=False)] * 2_000],
    "messages": [Frame(Opcode.TEXT, b"x")] * 2_000,
}


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_of_any_frames_is_closed_with_4429(kind, serve):
    talk = Ended(lambda iostream: bridge_of(iostream).run(asyncio.Event().wait))
    with connect(serve(talk).uri) as client:
        with contextlib.suppress(OSError):
            client.socket.sendall(b"".join(frame.serialize(mask=True) for frame in FLOODS[kind]))
        assert frames_of(client) == ([], 4429)
    assert isinstance(talk.how(), Disconnected)


def test_one_client_too_many_is_told_to_try_again_later(serve, monkeypatch):
    monkeypatch.setattr(websocket_server, "MAX_CLIENTS", 1)
    uri = serve(lambda iostream: iostream.print(iostream.input("Yes?"))).uri
    with connect(uri) as first:
        assert first.recv() == "Yes?"
        with connect(uri) as second:
            assert frames_of(second) == ([], 1013)
        first.send("hello")
        assert frames_of(first) == (["hello\n"], 1000)


@pytest.mark.parametrize("text", ["x" * 2_000_000, "語" * 300_000, "x" * (MAX_FRAME_CHARS - 4) + "TERMINATE" + "y"])
def test_a_text_of_any_length_comes_in_frames_that_every_client_takes(serve, text):
    with connect(serve(lambda iostream: iostream.print(text)).uri) as client:  # its default limit is 1 MiB
        frames, code = frames_of(client)
    assert code == 1000
    assert "".join(frames) == f"{text}\n"
    assert max(map(len, frames)) <= MAX_FRAME_CHARS
    assert sum("TERMINATE" in frame for frame in frames) == text.count("TERMINATE")


def test_the_default_send_timeout_is_30_s():
    assert inspect.signature(IOWebsockets.run_server_in_thread).parameters["send_timeout"].default == 30.0


def test_early_messages_answer_the_next_prompts(serve):
    def talk(iostream):
        iostream.print(iostream.input("First? "), iostream.input("Second? "), end="")

    with connect(serve(talk).uri) as client:
        client.send("one")
        client.send("two")
        assert frames_of(client) == (["First? ", "Second? ", "one two"], 1000)


def test_too_many_unread_messages_close_the_connection_with_1008(serve):
    talk = Ended(lambda iostream: bridge_of(iostream).run(asyncio.Event().wait))
    with connect(serve(talk).uri) as client:
        for _ in range(8):
            client.send("x" * (MAX_UNREAD // 8))
        assert frames_of(client) == ([], 1008)
    assert isinstance(talk.how(), Disconnected)


# --- leaving the block ------------------------------------------------------------------------------------------------


def test_leaving_the_block_closes_waiting_clients_with_1001_and_ends_their_threads(serve):
    talk = Ended(lambda iostream: iostream.input("Well? "))
    for thread in server_threads():
        thread.join(WAIT_SECONDS)  # of the server of another test
    server = serve(talk)
    with connect(server.uri) as ada, connect(server.uri) as bob:
        assert [ada.recv(WAIT_SECONDS), bob.recv(WAIT_SECONDS)] == ["Well? "] * 2
        threads = server_threads()
        assert len(threads) == 3  # one that accepts, and one for each client that listens
        server.close()
        assert frames_of(ada) == frames_of(bob) == ([], 1001)
    assert all(isinstance(talk.how(), Disconnected) for _ in range(2))
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert server_threads() == []


def test_leaving_the_block_closes_the_models_connection(serve, scripted_llm):
    scripted_llm.replies(answer := say("A long poem").paused(after=1))

    def poem(iostream):
        bot, proxy = agents(scripted_llm.llm_config())
        proxy.initiate_chat(bot, message="A poem")

    server = serve(talk := Ended(poem))
    with connect(server.uri) as client:
        answer.wait_until_paused()
        server.close()
        assert frames_of(client)[1] == 1001
    scripted_llm.wait_for_disconnect()
    assert isinstance(talk.how(), Disconnected)


class Terms(BaseModel):
    days: int


@pytest.mark.parametrize(
    "ask",
    [
        lambda stream: stream.input("May they?", to=staff()),
        lambda stream: stream.ask("Which terms?", Terms, to=staff()),
        lambda stream: stream.approve(
            Approval(tool="pay", arguments={}, schema={}, tool_call_id="c1", delegation=delegation_of(staff()))
        ),
    ],
)
def test_a_client_is_not_asked_what_is_for_somebody_else(serve, ask):
    talk = Ended(ask)
    with connect(serve(talk).uri):
        assert isinstance(talk.how(), ConfigError)


@pytest.mark.slow
def test_leaving_the_block_takes_five_seconds_at_most_whatever_the_clients_do(serve, caplog):
    """One never reads, so that its thread is stuck; the function of the other is busy with something of its own."""
    stuck, busy, free = threading.Event(), threading.Event(), threading.Event()

    def talk(iostream):
        if iostream.input() == "flood":
            stuck.set()
            iostream.print("x" * 2**26)  # more than any buffer holds
        else:
            busy.set()
            free.wait(60)

    server = serve(talk, compression=None)
    with connect(server.uri, max_queue=1, max_size=None, close_timeout=0) as one, connect(server.uri) as other:
        one.send("flood")
        other.send("work")
        assert stuck.wait(WAIT_SECONDS)
        assert busy.wait(WAIT_SECONDS)
        start = time.monotonic()
        server.close()
        assert time.monotonic() - start < 5.0
        assert frames_of(other) == ([], 1001)
    assert "1 agent function(s) still run without a client" in caplog.text
    free.set()


# --- agents -----------------------------------------------------------------------------------------------------------


def test_a_streamed_answer_is_sent_once(serve, scripted_llm):
    scripted_llm.replies(say("Roofs of Paris. TERMINATE"))

    def poem(iostream):
        bot, proxy = agents(scripted_llm.llm_config())
        proxy.initiate_chat(bot, message=iostream.input())

    with connect(serve(poem).uri) as client:
        client.send("A poem")
        frames, code = frames_of(client)
    assert frames == [
        f"user_proxy (to chatbot):\n\nA poem\n{RULE}",
        "chatbot (to user_proxy):\n\n",
        *("Roofs", " of", " Paris.", " TERMINATE"),
        f"\n{RULE}",
    ]
    assert code == 1000


def test_tools_print_on_the_clients_stream_in_whatever_thread_they_run(serve, scripted_llm):
    def in_a_thread() -> str:
        """Prints."""
        IOStream.get_default().print("from a thread", end="")
        return "printed"

    async def on_the_loop() -> str:
        """Prints, there and in an executor."""
        IOStream.get_default().print("from the loop", end="")
        await asyncio.to_thread(lambda: IOStream.get_default().print("from an executor", end=""))
        return "printed"

    scripted_llm.replies(call("in_a_thread").and_call("on_the_loop"), say("TERMINATE"))

    def talk(iostream):
        bot, proxy = agents(scripted_llm.llm_config(), in_a_thread, on_the_loop)
        proxy.initiate_chat(bot, message="Print")

    with connect(serve(talk).uri) as client:
        frames, _ = frames_of(client)
    assert {"from a thread", "from the loop", "from an executor"} <= set(frames)


def test_the_context_of_the_caller_reaches_the_threads(serve):
    tenant = contextvars.ContextVar("tenant")
    tenant.set("ours")
    with connect(serve(lambda iostream: iostream.print(tenant.get(), end="")).uri) as client:
        assert frames_of(client) == (["ours"], 1000)


def test_the_chat_of_the_guide_runs_offline(serve):
    """The network is blocked in tests: nothing is downloaded, to count tokens or for anything else."""
    from agentchat import llm_config

    asked = []

    def weather_forecast(city: str) -> str:
        """The weather in a city."""
        asked.append(city)
        return "sunny"

    def weather(iostream):
        bot, proxy = agents(llm_config(stream=True), weather_forecast)
        proxy.initiate_chat(bot, message=iostream.input())

    with connect(serve(weather).uri) as client:
        client.send("Check out the weather in Paris and write a poem about it.")
        frames, code = frames_of(client)
    assert (asked, code) == (["Paris"], 1000)
    assert "".join(frames).count("TERMINATE") == 1


def begin(person, bot, message):
    person.initiate_chat(bot, message=message)


def initiate_in_a_coroutine(person, bot, message):
    asyncio.run(person.a_initiate_chat(bot, message=message))


@pytest.mark.parametrize("initiate", [begin, initiate_in_a_coroutine])
def test_a_user_proxy_asks_the_client(initiate, serve, scripted_llm, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt="": pytest.fail("asked on the server's terminal"))
    scripted_llm.replies(say("What else?"))

    def talk(iostream):
        initiate(
            UserProxyAgent("person"), ConversableAgent("bot", llm_config=scripted_llm.llm_config()), iostream.input()
        )

    with connect(serve(talk).uri) as client:
        client.send("Hello")
        while not (frame := client.recv(WAIT_SECONDS)).startswith("Replying as person."):
            pass
        assert "Provide feedback to bot" in frame
        client.send("exit")
        assert frames_of(client)[1] == 1000


# --- clients of classic programs --------------------------------------------------------------------------------------


def ask_as_the_notebook_does(uri):
    """The client of AutoGen's notebook: it reads until a frame has TERMINATE in it, and would fail at the close."""
    frames = []
    with connect(uri) as client:
        client.send("A poem about Paris.")
        while True:
            message = client.recv(WAIT_SECONDS)
            message = message.decode("utf-8") if isinstance(message, bytes) else message
            frames.append(message)
            if "TERMINATE" in message:
                return frames


def poet(iostream):
    bot = ConversableAgent("bot", "", llm_config=llm_config(), human_input_mode="NEVER")
    user = UserProxyAgent(
        "user", human_input_mode="NEVER", is_termination_msg=lambda m: m["content"].endswith("TERMINATE")
    )
    user.initiate_chat(bot, message=iostream.input())


@pytest.mark.parametrize(
    "chunks",
    [["Rain. TERMINATE"], ["Rain. ", "TER", "MIN", "ATE"], [*"Rain. TERMINATE"], ["Rain. T", "TERMIN", "ATE"]],
)
def test_the_notebooks_own_client_ends_however_the_model_streams(serve, scripted_llm, chunks):
    scripted_llm.replies(say("".join(chunks), chunks=chunks))
    frames = ask_as_the_notebook_does(serve(poet).uri)
    assert "".join(frames).endswith("".join(chunks))


def test_what_only_begins_like_the_end_signal_arrives_too(serve, scripted_llm):
    scripted_llm.replies(say("THE TERM", chunks=["THE T", "ERM"]))

    def once(iostream):
        bot = ConversableAgent("bot", "", llm_config=llm_config(), human_input_mode="NEVER")
        UserProxyAgent("user", human_input_mode="NEVER").initiate_chat(bot, message=iostream.input(), max_turns=1)

    with connect(serve(once).uri) as client:
        client.send("hi")
        frames, _ = frames_of(client)
    assert "THE TERM\n" in "".join(frames)


def test_whole_messages_come_once_more_in_one_frame(serve, scripted_llm):
    answer = "Rain falls. TERMINATE"
    for whole, times in ((True, 2), (False, 1)):
        scripted_llm.replies(say(answer))
        with connect(serve(poet, whole_messages=whole).uri) as client:
            client.send("hi")
            frames, code = frames_of(client)
        assert (f"{answer}\n" in frames) is whole
        assert "".join(frames).count(answer) == times
        assert code == 1000
