"""Asking models over real HTTP, through the real SDK."""

import asyncio
import contextlib
import gc
import inspect
import json
import logging
import socket
import subprocess
import sys
import threading
import traceback
import weakref

import pytest

from agentchat.core.async_bridge import ThreadBridge
from agentchat.errors import ConfigError, LLMAuthError, LLMError, LLMRateLimited, LLMStreamTruncated, LLMTimeout
from agentchat.llm import errors
from agentchat.llm.client import complete
from agentchat.llm.response import ModelResponse
from agentchat.testing import ScriptedLLM, call, cut, fail, hang, raw, say
from agentchat.testing.llm_server import KEY
from tests.llm.chunks import event

MESSAGES = [{"role": "user", "content": "Hello"}]


@pytest.fixture
def other_llm():
    with ScriptedLLM() as llm:
        yield llm


def both(first, second, **more):
    return {"config_list": first.config_list + second.config_list, **more}


def impatient(first, timeout, second):
    """The first of two models has little time, the second as much as usual: the machine may be busy."""
    return {"config_list": [{**entry, "timeout": timeout} for entry in first.config_list] + second.config_list}


def test_the_answer_is_emitted_in_deltas_and_returned_complete(scripted_llm, ask):
    scripted_llm.replies(say("Hello", chunks=["Hel", "lo"], usage=(11, 2)))
    reply = ask(scripted_llm.llm_config())
    assert ask.deltas == ["Hel", "lo"]
    assert reply == ModelResponse(
        content="Hello", finish_reason="stop", model="scripted", prompt_tokens=11, completion_tokens=2
    )


def test_a_delta_is_emitted_while_the_rest_is_still_to_come(scripted_llm):
    answer = say("One two").paused(after=1)
    scripted_llm.replies(answer)
    deltas = []

    def tell(delta):
        deltas.append(delta.text)
        answer.release()  # without the first delta, the second never comes

    asyncio.run(complete(scripted_llm.llm_config(), MESSAGES, on_delta=tell))
    assert deltas == ["One", " two"]


def test_tool_calls_come_back_in_openai_s_shape(scripted_llm, ask):
    scripted_llm.replies(call("weather", city="Paris").and_call("weather", city="Rome"))
    reply = ask(scripted_llm.llm_config())
    assert [json.loads(made["function"]["arguments"]) for made in reply.tool_calls] == [
        {"city": "Paris"},
        {"city": "Rome"},
    ]
    assert reply.message() == {"role": "assistant", "content": None, "tool_calls": list(reply.tool_calls)}
    assert ModelResponse.from_json(json.loads(json.dumps(reply.to_json()))) == reply


def test_the_request_holds_messages_tools_and_unknown_parameters(scripted_llm, ask):
    scripted_llm.replies(say("Hi"))
    tool = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    config = scripted_llm.llm_config(temperature=0, top_k=5, tools=[tool], cache_seed=41, timeout=60, top_p=None)
    ask(config, "Hello", tools=[{**tool, "function": {"name": "time"}}])
    assert scripted_llm.requests == [
        {
            "model": "scripted",
            "messages": MESSAGES,
            "stream": True,
            "stream_options": {"include_usage": True},
            "tools": [tool, {**tool, "function": {"name": "time"}}],
            "temperature": 0,
            "top_k": 5,
        }
    ]
    assert scripted_llm.headers[0]["authorization"] == f"Bearer {KEY}"


def test_one_entry_may_stand_for_the_list(scripted_llm, ask):
    scripted_llm.replies(say("Hi"))
    assert ask({**scripted_llm.config_list[0], "temperature": 1}).content == "Hi"
    assert scripted_llm.requests[0]["temperature"] == 1


def test_an_entry_s_own_parameter_wins(scripted_llm, ask):
    scripted_llm.replies(say("Hi"))
    ask({"config_list": [{**scripted_llm.config_list[0], "temperature": 1}], "temperature": 0})
    assert scripted_llm.requests[0]["temperature"] == 1


def test_azure_is_asked_in_its_own_way(scripted_llm, ask):
    scripted_llm.replies(say("Hi"))
    endpoint = scripted_llm.base_url.removesuffix("/v1")
    entry = {"model": "mine", "api_type": "azure", "base_url": endpoint, "api_key": KEY, "api_version": "2026-01-01"}
    assert ask(entry).content == "Hi"
    assert scripted_llm.paths == ["/openai/deployments/mine/chat/completions?api-version=2026-01-01"]
    assert scripted_llm.headers[0]["api-key"] == KEY


def test_an_answer_that_is_not_streamed_is_an_answer(scripted_llm, ask):
    whole = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    scripted_llm.replies(raw(json.dumps(whole).encode(), content_type="application/json; charset=utf-8"))
    assert ask(scripted_llm.llm_config()).content == "Hi"


def test_bytes_may_be_cut_within_a_character(scripted_llm, ask):
    stream = 'data: {"choices": [{"delta": {"content": "né 😀"}, "finish_reason": "stop"}]}\n\n'.encode()
    scripted_llm.replies(raw(*(stream[at : at + 1] for at in range(len(stream)))))
    assert ask(scripted_llm.llm_config()).content == "né 😀"


def test_tool_calls_without_an_id_get_the_same_one_at_every_try(scripted_llm, ask):
    made = {"choices": [{"delta": {"tool_calls": [{"function": {"name": "f"}}]}, "finish_reason": "stop"}]}
    scripted_llm.always(raw(b"data: " + json.dumps(made).encode() + b"\n\n"))
    ids = [ask(scripted_llm.llm_config(), said).tool_calls[0]["id"] for said in ("Hello", "Hello", "Bye")]
    assert ids[0] == ids[1] != ids[2]


# --- asking again, and asking the next --------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [fail(500), fail(503), fail(429), fail(408), cut(), raw(b": nothing\n\n")])
def test_what_may_pass_is_asked_again(scripted_llm, ask, trouble):
    scripted_llm.replies(trouble, say("Hi"))
    assert ask(scripted_llm.llm_config()).content == "Hi"
    assert len(scripted_llm.requests) == 2


def test_an_error_in_the_stream_before_the_first_token_is_asked_again(scripted_llm, ask):
    scripted_llm.replies(raw(b'data: {"error": {"message": "overloaded"}}\n\n'), say("Hi"))
    assert ask(scripted_llm.llm_config()).content == "Hi"


def test_an_entry_is_asked_again_only_so_often(scripted_llm, ask):
    scripted_llm.always(fail(500, "out of order"))
    with pytest.raises(LLMError, match=r"model 'scripted' at 127\.0\.0\.1:\d+ .*HTTP 500.*out of order") as raised:
        ask(scripted_llm.llm_config(max_retries=1))
    assert len(scripted_llm.requests) == 2
    assert raised.value.__cause__ is not None


def test_the_next_entry_answers_when_the_first_does_not(scripted_llm, other_llm, ask, caplog):
    scripted_llm.always(fail(500))
    other_llm.replies(say("Hi"))
    assert ask(both(scripted_llm, other_llm)).content == "Hi"
    assert len(scripted_llm.requests) == 3
    assert "Asking model 'scripted' at 127.0.0.1" in caplog.text


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_what_will_not_pass_is_asked_of_the_next_at_once(scripted_llm, other_llm, ask, status):
    scripted_llm.replies(fail(status))
    other_llm.replies(say("Hi"))
    assert ask(both(scripted_llm, other_llm)).content == "Hi"
    assert len(scripted_llm.requests) == 1


def test_a_service_that_is_not_there_is_passed_over(scripted_llm, ask, unused_port):
    away = {"model": "away", "api_key": KEY, "base_url": f"http://127.0.0.1:{unused_port}/v1"}
    scripted_llm.replies(say("Hi"))
    assert ask({"config_list": [away, *scripted_llm.config_list]}).content == "Hi"
    with pytest.raises(LLMError, match=f"model 'away' at 127.0.0.1:{unused_port} cannot be reached"):
        ask(away)


def test_retry_after_is_honoured(scripted_llm, ask, monkeypatch):
    pauses = []
    monkeypatch.setattr(errors.Failure, "pause_seconds", lambda self, attempts: pauses.append(self.retry_after) or 0)
    scripted_llm.replies(
        fail(429, headers={"retry-after": "7"}),
        fail(503, headers={"retry-after-ms": "1500"}),
        fail(429, headers={"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}),
        fail(429, headers={"retry-after": "soon"}),
        say("Hi"),
    )
    ask(scripted_llm.llm_config(max_retries=4))
    assert pauses == [7, 1.5, 0, None]


def test_a_connection_that_was_closed_meanwhile_is_replaced_at_once(scripted_llm, ask, monkeypatch):
    pauses = []
    monkeypatch.setattr(errors.Failure, "pause_seconds", lambda self, attempts: pauses.append(self.retry_after) or 0)
    closed = hang()
    closed.release()
    scripted_llm.replies(closed, say("Hi"))
    assert ask(scripted_llm.llm_config()).content == "Hi"
    assert pauses == [0]


def test_who_wants_a_long_pause_is_not_waited_for(scripted_llm, other_llm, ask):
    scripted_llm.replies(fail(429, headers={"retry-after": "3600"}))
    other_llm.replies(say("Hi"))
    assert ask(both(scripted_llm, other_llm)).content == "Hi"
    assert len(scripted_llm.requests) == 1


def test_pauses_double_and_differ(monkeypatch):
    monkeypatch.setattr(errors, "FIRST_PAUSE_SECONDS", 1.0)
    some = errors.Failure(error=LLMError("x"))
    assert 1 <= some.pause_seconds(1) <= 1.25
    assert 4 <= some.pause_seconds(3) <= 5
    assert some.pause_seconds(99) <= 10
    assert len({some.pause_seconds(1) for _ in range(9)}) > 1


def test_a_quota_that_is_spent_is_not_asked_again(scripted_llm, ask):
    scripted_llm.replies(fail(429, code="insufficient_quota"))
    with pytest.raises(LLMRateLimited):
        ask(scripted_llm.llm_config())
    assert len(scripted_llm.requests) == 1


def test_an_answer_that_breaks_off_restarts(scripted_llm, ask):
    scripted_llm.replies(cut("Half an"), cut("Half"), say("The whole"))
    assert ask(scripted_llm.llm_config()).content == "The whole"
    assert ask.emitted == [(1, "Half"), (1, " an"), (2, "Half"), (3, "The"), (3, " whole")]


def test_the_next_entry_goes_on_where_an_answer_breaks_off(scripted_llm, other_llm, ask):
    scripted_llm.replies(cut("Half an"))
    other_llm.replies(say("The whole"))
    assert ask(both(scripted_llm, other_llm, max_retries=0)).content == "The whole"
    assert ask.emitted == [(1, "Half"), (1, " an"), (2, "The"), (2, " whole")]


def test_a_broken_answer_without_deltas_leaves_no_trace(scripted_llm, ask):
    scripted_llm.replies(cut(), fail(500), say("Hi"))
    ask(scripted_llm.llm_config())
    assert ask.emitted == [(1, "Hi")]


def test_an_answer_that_breaks_off_again_and_again_is_an_error(scripted_llm, other_llm, ask):
    scripted_llm.always(cut("Half an"))
    other_llm.always(cut("A quarter"))
    with pytest.raises(LLMStreamTruncated, match="model 'scripted' at"):
        ask(both(scripted_llm, other_llm, max_retries=1))
    assert [len(llm.requests) for llm in (scripted_llm, other_llm)] == [2, 2]


def test_a_stream_without_a_finish_reason_is_cut(scripted_llm, ask):
    scripted_llm.always(raw(b'data: {"choices": [{"delta": {"content": "Half"}}]}\n\n'))
    with pytest.raises(LLMStreamTruncated, match="without a finish reason"):
        ask(scripted_llm.llm_config())


def test_a_connection_that_breaks_after_the_finish_reason_costs_only_the_usage(scripted_llm, ask):
    end = b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\n'
    answer = raw(end)
    answer.ending = "cut"
    scripted_llm.replies(answer)
    assert ask(scripted_llm.llm_config()).content == "Hi"


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_named_but_not_shown(scripted_llm, ask, status):
    scripted_llm.replies(fail(status, f"Incorrect API key provided: {KEY}"))
    with pytest.raises(LLMAuthError, match=f"HTTP {status}.*OPENAI_API_KEY") as raised:
        ask(scripted_llm.llm_config())
    assert KEY not in "".join(traceback.format_exception(raised.value))
    assert "…6789" in str(raised.value)


def test_a_lasting_rate_limit_is_reported_as_one(scripted_llm, ask):
    scripted_llm.always(fail(429, "slow down"))
    with pytest.raises(LLMRateLimited, match="slow down"):
        ask(scripted_llm.llm_config())


def test_an_error_in_the_stream_shows_no_key(scripted_llm, ask):
    words = json.dumps({"error": {"message": f"bad key {KEY}", "code": 401}})
    scripted_llm.replies(raw(f"data: {words}\n\n".encode()))
    with pytest.raises(LLMAuthError, match=r"model 'scripted' at.*bad key sk-…6789") as raised:
        ask(scripted_llm.llm_config())
    assert KEY not in "".join(traceback.format_exception(raised.value))


def test_no_log_line_shows_the_key(scripted_llm, other_llm, ask, caplog):
    caplog.set_level(logging.DEBUG)
    scripted_llm.always(fail(401, f"bad key {KEY}"))
    other_llm.replies(say("Hi"))
    ask(both(scripted_llm, other_llm))
    assert "Asking" in caplog.text
    assert KEY not in caplog.text


def test_a_config_that_cannot_be_used_is_refused_before_anything_is_asked(scripted_llm, ask):
    with pytest.raises(ConfigError, match="'model'"):
        ask({"config_list": [*scripted_llm.config_list, {"api_key": "x"}]})
    assert scripted_llm.requests == []


def test_an_error_of_the_listener_is_its_own(scripted_llm):
    scripted_llm.always(say("Hi"))

    def listen(delta):
        raise KeyError(delta)

    with pytest.raises(KeyError):
        asyncio.run(complete(scripted_llm.llm_config(), MESSAGES, on_delta=listen))
    assert len(scripted_llm.requests) == 1


# --- time-outs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0.2, {"read": 0.2}])
def test_a_model_that_does_not_begin_times_out(scripted_llm, other_llm, ask, timeout):
    scripted_llm.always(hang())
    with pytest.raises(LLMTimeout, match=r"read: 0\.2 s"):
        ask(scripted_llm.llm_config(timeout=timeout))
    other_llm.replies(say("Hi"))
    assert ask(impatient(scripted_llm, timeout, other_llm)).content == "Hi"
    assert len(scripted_llm.requests) == 2  # silence is not asked again


def test_a_model_that_falls_silent_times_out(scripted_llm, other_llm, ask):
    scripted_llm.replies(say("Hello there").paused(after=1))
    other_llm.replies(say("Hi"))
    assert ask(impatient(scripted_llm, {"first": 20, "read": 0.2}, other_llm)).content == "Hi"
    assert ask.emitted == [(1, "Hello"), (2, "Hi")]
    scripted_llm.wait_for_disconnect()


def test_a_service_that_does_not_take_the_connection_times_out(ask):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        with socket.create_connection(address):  # the queue is full: the next one gets no answer
            entry = {"model": "full", "api_key": "x", "base_url": f"http://127.0.0.1:{address[1]}/v1"}
            with pytest.raises(LLMTimeout, match=r"connect: 0\.1 s"):
                ask({**entry, "timeout": {"connect": 0.1}})


# --- cancelling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [hang(), say("Hello there, you").paused(after=2)], ids=["before", "in mid-stream"])
def test_cancelling_closes_the_connection(scripted_llm, answer):
    scripted_llm.replies(answer)

    async def ask_and_stop():
        asking = asyncio.ensure_future(complete(scripted_llm.llm_config(), MESSAGES, on_delta=lambda delta: None))
        await asyncio.to_thread(answer.wait_until_paused)
        assert scripted_llm.disconnections == 0
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        # The loop lives on, and nothing else runs on it: the connection is closed already.
        await asyncio.to_thread(scripted_llm.wait_for_disconnect)

    asyncio.run(ask_and_stop())


def test_cancelling_a_pause_ends_it(scripted_llm):
    scripted_llm.replies(fail(429, headers={"retry-after": "15"}))

    async def ask_and_stop():
        asking = asyncio.ensure_future(complete(scripted_llm.llm_config(), MESSAGES, on_delta=lambda delta: None))
        await asyncio.to_thread(scripted_llm.wait_for_request)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(ask_and_stop())


# --- connections and loops --------------------------------------------------------------------------------------------


def test_fifty_streams_of_a_loop_share_one_client_and_are_open_at_once(scripted_llm, monkeypatch):
    from agentchat.llm import openai_client as sdk

    made = []
    new_client = sdk._new_client
    monkeypatch.setattr(sdk, "_new_client", lambda *args: made.append(args) or new_client(*args))
    answer = say("Hello there").paused(after=1)
    scripted_llm.always(answer)
    begun = set()

    def listener(number):
        def listen(delta):
            begun.add(number)
            if len(begun) == 50:
                answer.release()

        return listen

    async def ask_all():
        asked = (complete(scripted_llm.llm_config(), MESSAGES, on_delta=listener(number)) for number in range(50))
        return await asyncio.gather(*asked)

    replies = asyncio.run(ask_all())
    assert {reply.content for reply in replies} == {"Hello there"}
    assert len(made) == 1
    assert scripted_llm.connections == 50


def test_a_connection_is_used_again(scripted_llm):
    scripted_llm.always(say("Hi"))

    async def ask_three_times():
        for _ in range(3):
            await complete(scripted_llm.llm_config(), MESSAGES, on_delta=lambda delta: None)

    asyncio.run(ask_three_times())
    assert scripted_llm.connections == 1


def test_a_server_that_leaves_its_stream_open_after_the_end_is_not_waited_for(scripted_llm, ask):
    end = b'data: {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
    scripted_llm.replies(raw(end, b": more\n\n").paused(after=1))
    assert ask(scripted_llm.llm_config()).content == "Hi"
    scripted_llm.wait_for_disconnect()


@pytest.mark.parametrize(
    "answer",
    [raw(event({"error": {"message": "Out of order."}})), raw(event({"choices": "odd"})), say("Hello"), cut("Hel")],
    ids=["an error in the stream", "an odd chunk", "an answer", "a break"],
)
def test_no_generator_of_an_answer_is_left_to_the_collector(scripted_llm, answer):
    scripted_llm.always(answer)

    async def left_after_an_answer():
        with contextlib.suppress(LLMError):
            await complete(scripted_llm.llm_config(max_retries=0), MESSAGES, on_delta=lambda delta: None)
        for _ in range(10):  # what one of them held is closed by the loop itself
            await asyncio.sleep(0)
        generators = [each for each in gc.get_objects() if inspect.isasyncgen(each) and each.ag_frame]
        return [each for each in generators if "/http" in each.ag_code.co_filename]  # of httpx2 and httpcore2

    gc.collect()
    gc.disable()
    try:
        assert asyncio.run(left_after_an_answer()) == []
    finally:
        gc.enable()


def test_a_loop_that_is_gone_leaves_nothing_behind(scripted_llm, ask):
    from agentchat.llm import openai_client as sdk

    scripted_llm.always(say("Hi"))
    loops = []

    async def ask_here():
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await complete(scripted_llm.llm_config(), MESSAGES, on_delta=lambda delta: None)
        assert asyncio.get_running_loop() in sdk._by_loop

    asyncio.run(ask_here())
    gc.collect()
    assert loops[0]() is None


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # such a loop leaves its sockets to the garbage collector
def test_a_loop_that_was_closed_without_a_word_is_forgotten(scripted_llm):
    from agentchat.llm import openai_client as sdk

    scripted_llm.always(say("Hi"))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(complete(scripted_llm.llm_config(), MESSAGES, on_delta=lambda delta: None))
    loop.close()
    asyncio.run(complete(scripted_llm.llm_config(), MESSAGES, on_delta=lambda delta: None))
    assert loop not in sdk._by_loop
    del loop
    gc.collect()


def test_keys_do_not_pile_up(scripted_llm, monkeypatch):
    from agentchat.llm import openai_client as sdk

    monkeypatch.setattr(sdk, "MAX_CLIENTS", 2)
    scripted_llm.always(say("Hi"))

    async def ask_with_many_keys():
        for number in range(5):
            config = {**scripted_llm.config_list[0], "api_key": f"sk-{number}"}
            await complete(config, MESSAGES, on_delta=lambda delta: None)
        return len((await sdk._clients_of_loop())._clients)

    assert asyncio.run(ask_with_many_keys()) == 2
    assert [headers["authorization"] for headers in scripted_llm.headers] == [f"Bearer sk-{n}" for n in range(5)]


def test_threads_may_ask_through_one_bridge(scripted_llm):
    answer = say("Hello there").paused(after=1)
    scripted_llm.always(answer)
    bridge = ThreadBridge()
    emitted = [[], []]
    asking = [
        threading.Thread(
            target=bridge.stream,
            args=(
                lambda tell: complete(scripted_llm.llm_config(), MESSAGES, on_delta=tell),
                lambda delta, deltas=deltas: deltas.append(delta.text),
            ),
        )
        for deltas in emitted
    ]
    for thread in asking:
        thread.start()
    scripted_llm.wait_for_request()
    scripted_llm.wait_for_request()
    answer.release()
    for thread in asking:
        thread.join()
    assert emitted == [["Hello", " there"], ["Hello", " there"]]


def test_the_sdk_is_imported_only_when_a_model_is_asked():
    check = "import sys, agentchat, agentchat.llm.client, agentchat.llm.config; print('openai' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


@pytest.fixture
def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
