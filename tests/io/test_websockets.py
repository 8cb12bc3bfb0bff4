"""A server of websockets in a thread, and what its clients and its agent functions see.

The client is the library's own, over real sockets. Where something must not happen for ever, the wait is bounded.
"""

import asyncio
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
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from agentchat import ConversableAgent, IOStream, UserProxyAgent, register_function
from agentchat.bridge import bridge_of
from agentchat.errors import ConfigError, Disconnected
from agentchat.io.websockets import MOST_UNREAD, IOWebsockets
from agentchat.testing import call, say

WAIT_S = 10.0
AT_ONCE_S = 1.0
RULE = "\n" + "-" * 80 + "\n"


class Ended:
    """Wraps an agent function: `how()` waits for its end and gives what it raised, or None."""

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

    def how(self, timeout=WAIT_S):
        return self._ends.get(timeout=timeout)


@pytest.fixture
def serve():
    """Start a server on a free port. It is closed when the test ends, or by `close()` of what this gives."""
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
            frames.append(client.recv(WAIT_S))
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


def threads_of_ours():
    return [thread for thread in threading.enumerate() if "agentchat-websocket" in thread.name]


# --- frames -----------------------------------------------------------------------------------------------------------


def test_a_print_is_one_frame_with_its_end(serve):
    def talk(iostream):
        iostream.print("one", 2, sep="-")
        iostream.print("three", end="")
        iostream.print()

    with connect(serve(talk).uri) as client:
        assert frames_of(client) == (["one-2\n", "three", "\n"], 1000)


def test_half_a_character_does_not_break_the_connection_off(serve):
    with connect(serve(lambda iostream: iostream.print("a\ud83d", end="")).uri) as client:
        assert frames_of(client) == (["a?"], 1000)


def test_a_prompt_is_a_frame_and_the_next_message_is_the_answer(serve):
    def talk(iostream):
        iostream.print(iostream.input("Who? ") + "!", end="")

    with connect(serve(talk).uri) as client:
        assert client.recv(WAIT_S) == "Who? "
        client.send("Ada")
        assert frames_of(client) == (["Ada!"], 1000)


def test_an_empty_prompt_is_no_frame(serve):
    with connect(serve(lambda iostream: iostream.print(iostream.input(), end="")).uri) as client:
        client.send("Ada")
        assert frames_of(client) == (["Ada"], 1000)


def test_bytes_are_decoded(serve):
    with connect(serve(lambda iostream: iostream.print(iostream.input(), end="")).uri) as client:
        client.send("Zoë".encode())
        assert frames_of(client) == (["Zoë"], 1000)


def test_bytes_that_are_no_text_close_the_connection_with_1007(serve):
    talk = Ended(lambda iostream: iostream.input())
    with connect(serve(talk).uri) as client:
        client.send(b"\xff")
        assert frames_of(client) == ([], 1007)
    assert isinstance(talk.how(), Disconnected)


def test_the_connection_can_be_used_beside_the_stream(serve):
    def talk(iostream):
        iostream.websocket.send(f"{iostream.websocket.request.path} {iostream.websocket.remote_address[0]}")

    with connect(f"{serve(talk).uri}/room/7") as client:
        assert frames_of(client) == (["/room/7 127.0.0.1"], 1000)


# --- the server -------------------------------------------------------------------------------------------------------


def test_the_uri_has_the_port_that_was_free(serve):
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
    assert time.monotonic() - start < AT_ONCE_S


def test_the_port_is_free_again_after_the_block(serve):
    server = serve(lambda iostream: None)
    server.close()
    with IOWebsockets.run_server_in_thread(
        port=int(server.uri.rpartition(":")[2]), on_connect=lambda iostream: None
    ) as uri:
        assert uri == server.uri


def test_an_async_function_is_refused_before_anybody_connects(serve):
    async def talk(iostream):
        raise AssertionError

    with pytest.raises(ConfigError, match=r"on_connect=.*talk.* is async"):
        serve(talk)


def test_each_client_has_a_thread_and_a_default_stream_of_its_own(serve):
    both = threading.Barrier(2)

    def talk(iostream):
        both.wait(WAIT_S)  # neither could pass alone
        assert IOStream.get_default() is iostream
        IOStream.get_default().print(IOStream.get_default().input(), end="")

    uri = serve(talk).uri
    with connect(uri) as ada, connect(uri) as bob:
        bob.send("Bob")
        ada.send("Ada")
        assert frames_of(ada) == (["Ada"], 1000)
        assert frames_of(bob) == (["Bob"], 1000)


def test_a_page_of_another_site_is_refused_where_origins_are_given(serve):
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


def test_a_failure_is_told_with_an_id_and_the_log_has_the_traceback_under_it(serve, caplog):
    def talk(iostream):
        iostream.print("so far", end="")
        raise ZeroDivisionError("a secret")

    with connect(serve(talk).uri) as client:
        [before, line], code = frames_of(client)
    assert (before, code) == ("so far", 1011)
    told = re.fullmatch(r"Something went wrong\. You can try again\. \[([0-9a-f]{8})\]\n", line)
    [record] = [record for record in caplog.records if record.name == "agentchat.io" and record.exc_info]
    assert told[1] in record.getMessage()
    assert record.exc_info[0] is ZeroDivisionError


def test_a_failure_of_ours_is_told_in_its_kind_words(serve):
    def talk(iostream):
        raise ConfigError("OPENAI_API_KEY is not set")

    with connect(serve(talk).uri) as client:
        [line], code = frames_of(client)
    assert code == 1011
    assert line.startswith("This agent is not set up correctly.")


def test_a_function_that_exits_ends_its_client_and_not_the_server(serve):
    uri = serve(lambda iostream: sys.exit(iostream.input())).uri
    for _ in range(2):
        with connect(uri) as client:
            client.send("3")
            assert frames_of(client)[1] == 1011


# --- a client that leaves ---------------------------------------------------------------------------------------------


def leave(client):
    """As a browser's tab that is closed; the time of it."""
    client.close()
    return time.monotonic()


def test_a_client_that_leaves_ends_a_wait_for_its_answer(serve):
    talk = Ended(lambda iostream: iostream.input("Well? "))
    with connect(serve(talk).uri) as client:
        assert client.recv(WAIT_S) == "Well? "
        left = leave(client)
    assert isinstance(talk.how(), Disconnected)
    assert time.monotonic() - left < AT_ONCE_S


def test_a_connection_that_breaks_is_noticed_too(serve):
    talk = Ended(lambda iostream: iostream.input("Well? "))
    with connect(serve(talk).uri) as client:
        assert client.recv(WAIT_S) == "Well? "
        client.socket.shutdown(socket.SHUT_RDWR)
        assert isinstance(talk.how(AT_ONCE_S), Disconnected)


def test_the_models_connection_is_closed_while_nothing_is_printed(serve, scripted_llm):
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
        while client.recv(WAIT_S) != " roofs":
            pass
        left = leave(client)
    scripted_llm.wait_for_disconnect()
    assert isinstance(talk.how(), Disconnected)
    assert time.monotonic() - left < AT_ONCE_S


def test_the_same_holds_in_a_chat_that_a_coroutine_began(serve, scripted_llm):
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
    assert time.monotonic() - left < AT_ONCE_S


def test_nobody_waits_for_a_tool_any_more(serve, scripted_llm):
    scripted_llm.replies(call("slow"))
    begun, done = threading.Event(), threading.Event()

    def slow() -> str:
        """Takes its time."""
        begun.set()
        assert done.wait(WAIT_S)
        return "done"

    def work(iostream):
        bot, proxy = agents(scripted_llm.llm_config(), slow)
        proxy.initiate_chat(bot, message="Do it")

    talk = Ended(work)
    with connect(serve(talk).uri) as client:
        assert begun.wait(WAIT_S)
        left = leave(client)
        assert isinstance(talk.how(), Disconnected)
        assert time.monotonic() - left < AT_ONCE_S
    done.set()


def test_it_is_noticed_however_much_the_client_has_said_before(serve):
    talk = Ended(lambda iostream: bridge_of(iostream).run(asyncio.Event().wait))
    with connect(serve(talk).uri) as client:
        for number in range(500):
            client.send(str(number))
        left = leave(client)
    assert isinstance(talk.how(), Disconnected)
    assert time.monotonic() - left < AT_ONCE_S


def test_whoever_swallows_the_end_meets_it_again(serve):
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
        assert gone.wait(WAIT_S)
        while True:
            iostream.print("still here?")

    talk = Ended(talk)
    with connect(serve(talk).uri) as client:
        leave(client)
    gone.set()
    assert isinstance(talk.how(), Disconnected)


# --- a client that takes nothing, or says too much --------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_a_client_that_never_reads_is_cut_off(tls, serve, certificate):
    def flood(iostream):
        while True:
            iostream.print("x" * 2**20)

    talk = Ended(flood)
    uri = serve(talk, send_timeout=0.5, compression=None, ssl_context=certificate.server if tls else None).uri
    with connect(uri, ssl=certificate.client if tls else None, max_queue=1, max_size=None, close_timeout=0):
        assert isinstance(talk.how(), Disconnected)


def test_the_send_time_out_is_30_s_unless_one_is_given():
    assert inspect.signature(IOWebsockets.run_server_in_thread).parameters["send_timeout"].default == 30.0


def test_messages_typed_early_answer_the_next_questions(serve):
    def talk(iostream):
        iostream.print(iostream.input("First? "), iostream.input("Second? "), end="")

    with connect(serve(talk).uri) as client:
        client.send("one")
        client.send("two")
        assert frames_of(client) == (["First? ", "Second? ", "one two"], 1000)


def test_a_client_that_says_too_much_unasked_is_closed_with_1008(serve):
    talk = Ended(lambda iostream: bridge_of(iostream).run(asyncio.Event().wait))
    with connect(serve(talk).uri) as client:
        for _ in range(8):
            client.send("x" * (MOST_UNREAD // 8))
        assert frames_of(client) == ([], 1008)
    assert isinstance(talk.how(), Disconnected)


# --- leaving the block ------------------------------------------------------------------------------------------------


def test_leaving_the_block_closes_waiting_clients_with_1001_and_ends_their_threads(serve):
    talk = Ended(lambda iostream: iostream.input("Well? "))
    server = serve(talk)
    with connect(server.uri) as ada, connect(server.uri) as bob:
        assert [ada.recv(WAIT_S), bob.recv(WAIT_S)] == ["Well? "] * 2
        threads = threads_of_ours()
        assert len(threads) == 3  # one that accepts, and one for each client that listens
        server.close()
        assert frames_of(ada) == frames_of(bob) == ([], 1001)
    assert all(isinstance(talk.how(), Disconnected) for _ in range(2))
    for thread in threads:
        thread.join(WAIT_S)
    assert threads_of_ours() == []


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
        assert stuck.wait(WAIT_S)
        assert busy.wait(WAIT_S)
        start = time.monotonic()
        server.close()
        assert time.monotonic() - start < 5.0
        assert frames_of(other) == ([], 1001)
    assert "1 agent function(s) go on without a client" in caplog.text
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


def test_the_context_of_whoever_starts_the_server_reaches_its_threads(serve):
    tenant = contextvars.ContextVar("tenant")
    tenant.set("ours")
    with connect(serve(lambda iostream: iostream.print(tenant.get(), end="")).uri) as client:
        assert frames_of(client) == (["ours"], 1000)


def test_the_guides_chat_runs_offline(serve):
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


def begin_in_a_coroutine(person, bot, message):
    asyncio.run(person.a_initiate_chat(bot, message=message))


@pytest.mark.parametrize("initiate", [begin, begin_in_a_coroutine])
def test_a_person_who_is_asked_by_an_agent_is_the_client(initiate, serve, scripted_llm, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt="": pytest.fail("asked on the server's terminal"))
    scripted_llm.replies(say("What else?"))

    def talk(iostream):
        initiate(
            UserProxyAgent("person"), ConversableAgent("bot", llm_config=scripted_llm.llm_config()), iostream.input()
        )

    with connect(serve(talk).uri) as client:
        client.send("Hello")
        while not (frame := client.recv(WAIT_S)).startswith("Replying as person."):
            pass
        assert "Provide feedback to bot" in frame
        client.send("exit")
        assert frames_of(client)[1] == 1000
