"""What the keys of a config list do to the request, as the service gets it."""

import json
import threading
from typing import Literal

import httpx2
import pytest
from pydantic import BaseModel

from agentchat import ConversableAgent, OpenAIWrapper
from agentchat.errors import ConfigError, LLMRefused, LLMStreamTruncated, LLMTimeout, LLMUnreachable
from agentchat.io import IOStream
from agentchat.llm import amendments, client
from agentchat.llm.learned import MAX_SERVICES, Learned
from agentchat.testing import RecordingStream, fail, hang, raw, say
from agentchat.testing.llm_server import KEY


def entry(llm, **more):
    return {**llm.config_list[0], "max_retries": 0, **more}


def azure(llm, **more):
    endpoint = llm.base_url.removesuffix("/v1")
    return {
        **{"model": "gpt-4o", "api_type": "azure", "api_version": "2024-02-01", "api_key": KEY},
        **{"azure_endpoint": endpoint, **more},
    }


def test_extra_body_is_merged_into_the_request(scripted_llm, ask):
    scripted_llm.always(say("ok"))
    ask(entry(scripted_llm, extra_body={"chat_template_kwargs": {"enable_thinking": False}, "top_k": 5}))
    assert scripted_llm.requests[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert scripted_llm.requests[0]["top_k"] == 5
    assert "extra_body" not in scripted_llm.requests[0]


def test_extra_headers_and_parameters_of_the_address_are_sent_and_stay_out_of_the_body(scripted_llm, ask):
    scripted_llm.always(say("ok"))
    ask(
        entry(
            scripted_llm,
            default_headers={"x-title": "Shop"},
            extra_headers={"x-referer": "a"},
            default_query={"version": "2"},
            extra_query={"region": "eu"},
        )
    )
    assert (scripted_llm.headers[0]["x-title"], scripted_llm.headers[0]["x-referer"]) == ("Shop", "a")
    assert scripted_llm.paths[0].partition("?")[2] in ("version=2&region=eu", "region=eu&version=2")
    assert not {"extra_headers", "extra_query", "default_query", "default_headers"} & set(scripted_llm.requests[0])


def test_entries_that_differ_in_headers_alone_are_asked_by_different_clients(scripted_llm, ask):
    scripted_llm.always(say("ok"))
    for title in ("one", "two"):
        ask(entry(scripted_llm, extra_headers={"x-title": title}))
    assert [headers["x-title"] for headers in scripted_llm.headers] == ["one", "two"]


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"azure_deployment": "mine"}, "/openai/deployments/mine/chat/completions?api-version=2024-02-01"),
        ({}, "/openai/deployments/gpt-4o/chat/completions?api-version=2024-02-01"),
        ({"default_query": {"x": "1"}}, "/openai/deployments/gpt-4o/chat/completions?x=1&api-version=2024-02-01"),
    ],
)
def test_an_azure_deployment_is_part_of_the_address(scripted_llm, ask, more, path):
    scripted_llm.always(say("ok"))
    ask(azure(scripted_llm, **more))
    assert scripted_llm.paths == [path]
    assert "azure_deployment" not in scripted_llm.requests[0]


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("/openai/deployments/mine", "/openai/deployments/mine/chat/completions?api-version=2024-02-01"),
        ("/openai/v1", "/openai/v1/chat/completions"),
    ],
)
def test_azure_s_full_addresses_are_taken_as_they_are(scripted_llm, ask, address, path):
    scripted_llm.always(say("ok"))
    base_url = scripted_llm.base_url.removesuffix("/v1") + address
    ask({key: value for key, value in azure(scripted_llm, base_url=base_url).items() if key != "azure_endpoint"})
    assert scripted_llm.paths == [path]


def test_stream_options_can_be_left_out(scripted_llm, ask):
    scripted_llm.always(say("ok"))
    ask(entry(scripted_llm, stream_options=None))
    assert "stream_options" not in scripted_llm.requests[0]


def test_max_completion_tokens_is_sent(scripted_llm, ask):
    scripted_llm.always(say("ok"))
    ask(entry(scripted_llm, max_completion_tokens=9))
    assert scripted_llm.requests[0]["max_completion_tokens"] == 9


class Weather(BaseModel):
    city: str
    sky: Literal["clear", "cloudy"] = "clear"


@pytest.mark.parametrize("place", ["entry", "config"])
def test_a_pydantic_model_as_response_format_is_sent_as_a_strict_schema(scripted_llm, ask, place):
    scripted_llm.always(say('{"city": "Paris", "sky": "clear"}'))
    if place == "entry":
        ask({"config_list": [entry(scripted_llm, response_format=Weather)], "cache_seed": None})
    else:
        ask(scripted_llm.llm_config(response_format=Weather))
    sent = scripted_llm.requests[0]["response_format"]
    assert (sent["type"], sent["json_schema"]["name"], sent["json_schema"]["strict"]) == (
        "json_schema",
        "Weather",
        True,
    )
    assert sent["json_schema"]["schema"]["required"] == ["city", "sky"]
    assert sent["json_schema"]["schema"]["additionalProperties"] is False


def test_a_response_format_that_is_a_dict_is_sent_as_it_is(scripted_llm, ask):
    scripted_llm.always(say("{}"))
    ask(entry(scripted_llm, response_format={"type": "json_object"}))
    assert scripted_llm.requests[0]["response_format"] == {"type": "json_object"}


# --- what a service does not know -------------------------------------------------------------------------------------


def refusing(key, status, words):
    return lambda request: fail(status, words) if key in request else say("ok")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (422, "body.stream_options.include_usage: Extra inputs are not permitted"),
        (400, "Unrecognized request argument supplied: stream_options"),
        (400, "Unknown parameter: 'stream_options'."),
        (400, "include_usage is not supported when data_sources are given"),
    ],
)
def test_a_service_without_stream_options_is_asked_again_without_and_not_troubled_again(
    scripted_llm, ask, status, words
):
    scripted_llm.always(refusing("stream_options", status, words))
    assert ask(entry(scripted_llm)).content == "ok"
    assert ask(entry(scripted_llm)).content == "ok"
    assert ["stream_options" in request for request in scripted_llm.requests] == [True, False, False]


def test_a_service_that_reports_no_usage_is_named_in_the_log_once(scripted_llm, ask, caplog):
    scripted_llm.always(raw(piece(content="Hi"), END))
    for _ in range(2):
        ask(entry(scripted_llm, model="without usage"))
    assert caplog.text.count("model 'without usage' at 127.0.0.1") == 1
    assert "reports no usage" in caplog.text


def test_mistral_s_shape_of_that_refusal_is_understood(scripted_llm, ask):
    detail = [{"type": "extra_forbidden", "loc": ["body", "stream_options", "include_usage"], "msg": "Extra inputs"}]
    body = json.dumps({"object": "error", "message": {"detail": detail}})
    refusal = raw(body.encode(), content_type="application/json")
    refusal.status = 422
    scripted_llm.replies(refusal, say("ok"))
    assert ask(entry(scripted_llm)).content == "ok"


@pytest.mark.parametrize(
    ("given", "wanted", "words"),
    [
        ("max_tokens", "max_completion_tokens", "'max_tokens' is not supported. Use 'max_completion_tokens' instead."),
        ("max_completion_tokens", "max_tokens", "body.max_completion_tokens: Extra inputs are not permitted"),
        ("max_completion_tokens", "max_tokens", "Unrecognized request argument supplied: max_completion_tokens"),
    ],
)
def test_the_limit_of_an_answer_goes_by_the_service_s_name(scripted_llm, ask, given, wanted, words):
    scripted_llm.always(refusing(given, 400, words))
    assert ask(entry(scripted_llm, **{given: 7})).content == "ok"
    assert scripted_llm.requests[1][wanted] == 7


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("temperature", "Unsupported value: 'temperature' does not support 0.0 with this model."),
        ("max_tokens", "max_tokens is too large: 9999. This model supports at most 4096 completion tokens."),
        ("response_format", "response_format is not supported"),
    ],
)
def test_what_an_answer_depends_on_is_not_left_out(scripted_llm, ask, key, words):
    scripted_llm.always(fail(400, words))
    with pytest.raises(LLMRefused, match=words[:20]):
        ask(entry(scripted_llm, **{key: 1}))
    assert len(scripted_llm.requests) == 1


def test_a_service_that_goes_on_refusing_is_not_asked_for_ever(scripted_llm, ask):
    scripted_llm.always(fail(400, "stream_options, max_tokens: unknown. Use max_completion_tokens"))
    with pytest.raises(LLMRefused):
        ask(entry(scripted_llm, max_tokens=1))
    assert len(scripted_llm.requests) <= 4


# --- HTTP clients of one's own ----------------------------------------------------------------------------------------


NOT_KEPT = {"trust_env": False, "limits": httpx2.Limits(max_keepalive_connections=0)}


@pytest.fixture
def own():
    with httpx2.Client(**NOT_KEPT) as client:
        yield client


def signed(request):
    request.headers["x-signed"] = "yes"


async def signed_async(request):
    signed(request)


@pytest.mark.parametrize(
    ("kind", "hook"), [(httpx2.Client, signed), (httpx2.AsyncClient, signed_async)], ids=["sync", "async"]
)
def test_a_http_client_of_one_s_own_sends_the_requests(scripted_llm, kind, hook):
    scripted_llm.replies(say("Hello there"))
    stream = RecordingStream()
    config = {"config_list": [entry(scripted_llm, http_client=kind(event_hooks={"request": [hook]}, **NOT_KEPT))]}
    with IOStream.set_default(stream):
        agent = ConversableAgent("a", llm_config=config, human_input_mode="NEVER")
        assert agent.generate_reply(messages=[{"role": "user", "content": "x"}]) == "Hello there"
    assert scripted_llm.headers[0]["x-signed"] == "yes"
    assert scripted_llm.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_synchronous_client_streams_and_its_errors_are_ours(scripted_llm, ask, own):
    answer = say("One two").paused(after=1)
    scripted_llm.replies(answer, fail(429, "slow"))
    threading.Timer(0.05, answer.release).start()
    assert ask(entry(scripted_llm, http_client=own)).content == "One two"
    assert ask.deltas == ["One", " two"]
    with pytest.raises(client.LLMError, match="slow"):
        ask(entry(scripted_llm, http_client=own))
    with pytest.raises(LLMUnreachable):
        ask({"model": "m", "base_url": "http://127.0.0.1:9/v1", "http_client": own, "max_retries": 0})


class HTTPError(Exception):
    """As the former version of the HTTP library raises it."""

    __module__ = "httpx"


def test_a_client_of_the_former_http_library_breaks_off_as_any_other(scripted_llm, ask):
    class Former(httpx2.Client):
        def send(self, request, **more):
            response = super().send(request, **more)
            response.iter_raw = self.pieces_of(response)
            return response

        def pieces_of(self, response):
            def pieces():
                yield piece(content="Half")
                response.close()
                raise HTTPError("the peer has left")

            return pieces

    scripted_llm.always(say("Hi"))
    with Former(**NOT_KEPT) as own, pytest.raises(LLMStreamTruncated, match="broke off its answer: the peer has left"):
        ask(entry(scripted_llm, http_client=own))


@pytest.mark.parametrize("answer", [hang(), say("Hello there").paused(after=1)], ids=["before", "in mid-stream"])
def test_a_synchronous_client_does_not_delay_a_time_out(scripted_llm, ask, own, answer):
    scripted_llm.replies(answer)
    with pytest.raises(LLMTimeout, match=r"first word: 0\.1 s"):
        ask(entry(scripted_llm, http_client=own, timeout=0.1))
    answer.release()


# --- silence ----------------------------------------------------------------------------------------------------------


def piece(**delta):
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


END = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize("begun", [b": waiting\n\n", piece(role="assistant", content="")], ids=["heartbeat", "role"])
def test_a_model_that_has_written_no_word_has_the_time_for_the_first(scripted_llm, ask, begun):
    answer = raw(begun, piece(content="Hi"), END).paused(after=1)
    scripted_llm.replies(answer)
    threading.Timer(0.4, answer.release).start()
    assert ask(entry(scripted_llm, timeout={"first": 5, "read": 0.1})).content == "Hi"


@pytest.mark.parametrize(
    "begun",
    [piece(content="Hi"), piece(reasoning_content="Hm"), piece(tool_calls=[{"index": 0, "function": {"name": "f"}}])],
    ids=["word", "thought", "call"],
)
def test_a_model_that_has_begun_has_the_time_between_words(scripted_llm, ask, begun):
    scripted_llm.replies(raw(begun, END).paused(after=1))
    with pytest.raises(LLMTimeout, match=r"read: 0\.1 s"):
        ask(entry(scripted_llm, timeout={"first": 60, "read": 0.1}))
    scripted_llm.wait_for_disconnect()


def test_heartbeats_break_the_silence(scripted_llm, ask):
    answer = raw(*[b": still in the queue\n\n"] * 12, piece(content="Hi"), END)
    answer.delay = 0.05
    scripted_llm.replies(answer)
    assert ask(entry(scripted_llm, timeout={"first": 0.3, "read": 0.3})).content == "Hi"


# --- several choices --------------------------------------------------------------------------------------------------


def test_n_choices_are_given(scripted_llm):
    chunks = [
        {"choices": [{"index": index, "delta": {"content": text}, "finish_reason": "stop"}]}
        for index, text in enumerate(("one", "two"))
    ]
    scripted_llm.replies(
        raw(*(b"data: " + json.dumps(each).encode() + b"\n\n" for each in chunks), b"data: [DONE]\n\n")
    )
    with IOStream.set_default(RecordingStream()):
        response = OpenAIWrapper(**scripted_llm.llm_config()).create(messages=[{"role": "user", "content": "x"}], n=2)
    assert scripted_llm.requests[0]["n"] == 2
    assert OpenAIWrapper.extract_text_or_completion_object(response) == ["one", "two"]
    assert [choice.index for choice in response.choices] == [0, 1]
    assert f"{response.cost:.4f}" == "0.0000"
    assert response.cost_is_known is False


def test_an_entry_with_a_bad_key_is_refused_before_it_is_asked(scripted_llm, ask):
    with pytest.raises(ConfigError, match="'http_client' is a str"):
        ask(entry(scripted_llm, http_client="mine"))
    assert scripted_llm.requests == []


@pytest.mark.parametrize("config_list", ["mine", ["mine"], [], [{"model": "m", "response_format": int}]])
def test_a_config_list_that_is_none_is_a_config_error_when_it_is_asked(scripted_llm, ask, config_list):
    with pytest.raises(ConfigError):
        ask({"config_list": config_list, "response_format": Weather})


def test_what_another_chat_has_learned_meanwhile_is_not_refused_here(scripted_llm, ask, monkeypatch, caplog):
    ask_once = client._ask_once

    async def late(sdk, entry, body, emitter):
        outcome = await ask_once(sdk, entry, body, emitter)
        if "stream_options" in body:  # the other chat was refused in the same moment, and its answer came first
            amendments.learn(entry, body, str(outcome.error))
        return outcome

    monkeypatch.setattr(client, "_ask_once", late)
    scripted_llm.always(refusing("stream_options", 422, "stream_options: Extra inputs are not permitted"))
    assert ask(entry(scripted_llm)).content == "ok"
    assert len(scripted_llm.requests) == 2
    assert "simpler form" not in caplog.text


def test_a_service_that_refuses_both_spellings_is_asked_once_for_each(scripted_llm, ask):
    scripted_llm.always(
        lambda request: (
            fail(400, "unknown parameter: max_completion_tokens")
            if "max_completion_tokens" in request
            else fail(400, "max_tokens is unsupported: use max_completion_tokens")
        )
    )
    with pytest.raises(LLMRefused):
        ask(entry(scripted_llm, max_tokens=5, max_retries=0))
    assert len(scripted_llm.requests) <= 6


def test_what_was_learned_of_the_oldest_service_is_forgotten():
    known = Learned()
    for number in range(MAX_SERVICES + 1):
        known.learn("http://localhost/v1", f"model {number}", number)
    assert known.of("http://localhost/v1", "model 0") is None
    assert known.of("http://localhost/v1", f"model {MAX_SERVICES}") == MAX_SERVICES
