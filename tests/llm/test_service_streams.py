"""Streams as services really write them, through the real SDK: the answer is right, or a clear error."""

import json
import time

import pytest

from agentchat.errors import LLMError, LLMStreamTruncated
from agentchat.llm import client
from agentchat.testing import ScriptedLLM, raw, say
from tests.llm.chunks import DONE, HI, calls, chunk, event, part

# --- heartbeats, and how lines end ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "heartbeat",
    [
        *(b": ping\n\n", b":\n\n", b": OPENROUTER PROCESSING\n\n", b": keep-alive 2026-01-01\n\n", b"\n\n\n", b"\r\n"),
        *(b"data: \n\n", b"data:\n\n", b"data\n\n", b"data:    \n\n", b"data: null\n\n", b"data: {}\n\n", b"   \n"),
        *(b"data: ping\n\n", b"data: [HEARTBEAT]\n\n", b'data: "ping"\n\n', b'data: {"type": "ping"}\n\n'),
        *(b"event: ping\ndata: {}\n\n", b'event: keepalive\ndata: {"message": "still here"}\n\n', b"event: ping\n\n"),
        *(b"{still here}\n\n", b"{oops\n"),
        *(b"id: 7\n\n", b"retry: 3000\n\n", b'data: {"choices": []}\n\n', b'data: {"choices": null}\n\n'),
    ],
)
def test_a_heartbeat_is_nothing(heartbeat, answer):
    reply = answer(heartbeat, HI[0], heartbeat, heartbeat, HI[1], heartbeat, DONE)
    assert (reply.content, reply.finish_reason) == ("Hello", "stop")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\r\n\r\n", "\n\n"])
@pytest.mark.parametrize("prefix", ["data: ", "data:", "data:  ", ""])
def test_lines_may_begin_and_end_otherwise(prefix, end, answer):
    parts = [json.loads(piece[6:]) for piece in HI[:2]]
    stream = b"".join(event(value, prefix=prefix, end=end) for value in parts) + f"data: [DONE]{end}".encode()
    assert answer(stream).content == "Hello"


def test_bytes_may_come_one_by_one_after_a_byte_order_mark(answer):
    stream = b"\xef\xbb\xbf" + b"".join(HI).replace(b"\n", b"\r\n")
    assert answer(*(stream[at : at + 1] for at in range(len(stream)))).content == "Hello"


@pytest.mark.parametrize(
    "pieces", [[b"".join(HI)], [json.dumps({"choices": [{"message": {"content": "Hello"}}]}).encode()]]
)
def test_an_answer_that_is_called_json_is_read_for_what_it_is(pieces, scripted_llm, ask):
    scripted_llm.replies(raw(*pieces, content_type="application/json"))
    assert ask(scripted_llm.llm_config()).content == "Hello"


def test_bytes_that_are_no_utf_8_and_tabs_in_a_text_are_read(answer):
    assert answer(b'data: {"choices": [{"delta": {"content": "a\tb \xff"}}]}\n\n', DONE).content == "a\tb \ufffd"


# --- where an answer ends ---------------------------------------------------------------------------------------------


def test_the_end_marker_is_an_end(answer):
    reply = answer(chunk({"content": "Hello"}), DONE)
    assert (reply.content, reply.finish_reason) == ("Hello", "stop")


@pytest.mark.parametrize(
    "marker", [b"data:[DONE]\n\n", b'data: "[DONE]"\n\n', b"data: [done]\r\n\r\n", b"data: [DONE]"]
)
def test_the_end_marker_may_be_written_otherwise(marker, answer):
    assert answer(chunk({"content": "Hello"}, ""), marker).content == "Hello"


def test_calls_without_a_finish_reason_are_calls(answer):
    reply = answer(calls(part("weather", "{}", index=0, id="a")), DONE)
    assert reply.finish_reason == "tool_calls"
    assert reply.tool_calls[0]["function"]["name"] == "weather"


def test_an_end_without_an_answer_is_asked_again(scripted_llm, ask):
    scripted_llm.replies(raw(DONE), raw(chunk({"role": "assistant"}), DONE), say("Hi"))
    assert ask(scripted_llm.llm_config()).content == "Hi"


def test_a_stream_that_stays_open_after_the_finish_reason_is_not_waited_for(scripted_llm, ask, monkeypatch):
    monkeypatch.setattr(client, "USAGE_SECONDS", 0.2)
    scripted_llm.replies(raw(chunk({"content": "Hello"}, "stop"), b": ping\n\n").paused(after=1))
    begun = time.monotonic()
    assert ask(scripted_llm.llm_config()).content == "Hello"
    assert time.monotonic() - begun < 3
    scripted_llm.wait_for_disconnect()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        *(("length", "length"), ("MAX_TOKENS", "length"), ("model_length", "length"), ("max_output_tokens", "length")),
        *(("SAFETY", "content_filter"), ("sensitive", "content_filter"), ("refusal", "content_filter")),
        *(("content_filter: RECITATION", "content_filter"), ("content_filter", "content_filter")),
        *(
            ("end_turn", "stop"),
            ("eos", "stop"),
            ("STOP", "stop"),
            ("tool_use", "tool_calls"),
            ("repetition", "repetition"),
        ),
    ],
)
def test_the_finish_reason_is_openai_s_word(word, reason, answer):
    assert answer(chunk({"content": "Half"}, word), DONE).finish_reason == reason


@pytest.mark.parametrize(
    "word",
    [
        "error",
        "abort",
        "network_error",
        "insufficient_system_resource",
        "function_call_filter: MALFORMED_FUNCTION_CALL",
    ],
)
def test_a_service_that_gives_up_is_asked_again(word, scripted_llm, ask):
    scripted_llm.replies(raw(chunk({"content": "Half"}), chunk({}, word), DONE), say("The whole"))
    assert ask(scripted_llm.llm_config()).content == "The whole"
    assert ask.emitted == [(1, "Half"), (2, "The"), (2, " whole")]


# --- errors that come with status 200 ---------------------------------------------------------------------------------

ERRORS = [
    b'data: {"error": "context is too long"}\n\n',
    b'data: {"error": {"message": "context is too long", "code": 400}}\n\n',
    b'data: {"error": true, "message": "context is too long"}\n\n',
    b'data: [{"error": {"code": 400, "message": "context is too long", "status": "INVALID_ARGUMENT"}}]\n\n',
    b'data: {"object": "error", "message": "context is too long", "type": "BadRequestError", "code": 400}\n\n',
    b'data: {"code": "InvalidParameter", "message": "context is too long", "request_id": "7"}\n\n',
    b'data: {"error_code": 336003, "error_msg": "context is too long"}\n\n',
    b'data: {"detail": [{"loc": ["body"], "msg": "context is too long"}]}\n\n',
    b'data: {"choices": null, "base_resp": {"status_code": 1039, "status_msg": "context is too long"}}\n\n',
    b'data: {"choices": [{"index": 0, "delta": {}, "error": {"message": "context is too long"}}]}\n\n',
    b'data: {"choices": [], "x_groq": {"error": "context is too long"}}\n\n',
    b'data: {"error": {"message": "Provider returned error", "metadata": {"raw": "context is too long"}}}\n\n',
    b'event: error\ndata: {"reason": "context is too long"}\n\n',
    b"event: error\ndata: context is too long\n\n",
    b'{"error": {"message": "context is too long"}}',
    b'{\n  "error": {\n    "message": "context is too long"\n  }\n}\n',
]


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_keeps_the_service_s_words(error, answer):
    with pytest.raises(LLMError, match="context is too long"):
        answer(chunk({"content": "Half"}), error)


@pytest.mark.parametrize("error", ERRORS)
def test_the_next_entry_answers_after_an_error(error, scripted_llm, ask):
    with ScriptedLLM() as other:
        scripted_llm.replies(raw(chunk({"content": "Half"}), error))
        other.replies(say("The whole"))
        config = {"config_list": scripted_llm.config_list + other.config_list, "max_retries": 0}
        assert ask(config).content == "The whole"


@pytest.mark.parametrize(
    "words", [b"data: upstream timed out\n\n", b"<html>upstream timed out</html>", b"upstream timed out"]
)
def test_a_failure_in_mere_words_is_told(words, answer):
    with pytest.raises(LLMStreamTruncated, match="upstream timed out"):
        answer(chunk({"content": "Half"}), words)


def test_a_chunk_that_is_nested_too_deeply_is_an_error(answer):
    with pytest.raises(LLMStreamTruncated, match="nested"):
        answer(b"data: " + b'{"a":' * 100_000 + b"\n\n")


# --- where services put text, reasoning and usage ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "stream",
    [
        [event({"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}), *HI],  # Azure
        [
            chunk({"content": "Hello"}),
            event({"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]}),
            DONE,
        ],
        [event({"choices": [None, {"index": 0, "delta": None}]}), event({"choices": [{"delta": "Hello"}]}), DONE],
        [
            event(
                {"choices": [{"index": "0", "delta": {"content": "Hello", "tool_calls": None, "function_call": None}}]}
            ),
            DONE,
        ],
        [event({"choices": [{"index": 1, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}), DONE],
        [
            *HI[:2],
            event({"choices": [{"index": 0, "delta": {}, "message": {"content": "Hello"}, "finish_reason": "stop"}]}),
            DONE,
        ],
        [*HI[:2], event({"choices": [], "usage": {"prompt_tokens": 1}}), DONE],
        [
            event({"model": None, "usage": None, "choices": [{"delta": {"content": "Hello", "tool_calls": [None]}}]}),
            DONE,
        ],
        [
            chunk(
                {
                    "content": [
                        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                        {"type": "text", "text": "Hello"},
                    ]
                }
            ),
            DONE,
        ],
        [chunk({"content": None, "reasoning": "Hm."}), *HI],
    ],
)
def test_the_text_is_found(stream, answer, ask):
    assert answer(*stream).content == "Hello"
    assert "".join(ask.deltas) == "Hello"


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "It is 42."},
        {"reasoning": "It is 42."},
        {"reasoning": "It is 42.", "reasoning_content": "It is 42."},
        {"reasoning_details": [{"type": "reasoning.text", "text": "It is 42."}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "It is 42."}]}]},
        {"content": "", "reasoning": {"text": "It is 42."}},
        {"content": None, "reasoning": ["It is 42."], "reasoning_content": "It is 42."},
    ],
)
def test_an_answer_that_is_all_reasoning_is_not_empty(delta, answer, ask):
    assert answer(chunk(delta), chunk({}, "stop"), DONE).content == "It is 42."
    assert ask.deltas == ["It is 42."]


def test_reasoning_before_an_answer_is_no_part_of_it(answer):
    assert answer(chunk({"reasoning": "Hm."}), chunk({"content": "42"}, "stop"), DONE).content == "42"


def test_reasoning_before_calls_is_kept_in_its_service_s_fields(answer):
    reply = answer(
        chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "I sho"}]}),
        chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "uld.", "signature": "s1"}]}),
        chunk({"reasoning_details": [{"type": "reasoning.encrypted", "index": 1, "data": "x"}], "reasoning": "I "}),
        chunk({"reasoning": "should."}),
        calls(part("weather", "{}", index=0, id="a", extra_content={"google": {"thought_signature": "s2"}})),
        DONE,
    )
    assert reply.reasoning == {
        "reasoning": "I should.",
        "reasoning_details": [
            {"type": "reasoning.text", "index": 0, "text": "I should.", "signature": "s1"},
            {"type": "reasoning.encrypted", "index": 1, "data": "x"},
        ],
    }
    assert reply.tool_calls[0]["extra_content"] == {"google": {"thought_signature": "s2"}}
    assert reply.message() == {
        "role": "assistant",
        "content": None,
        "tool_calls": list(reply.tool_calls),
        **reply.reasoning,
    }


@pytest.mark.parametrize(
    "last",
    [
        event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}),
        event({"usage": {"prompt_tokens": 7, "completion_tokens": 3}}),
        event({"choices": [{"index": 0, "delta": {}, "usage": {"prompt_tokens": 7, "completion_tokens": 3}}]}),
        event({"choices": [], "x_groq": {"id": "r", "usage": {"prompt_tokens": 7, "completion_tokens": 3}}}),
    ],
)
def test_usage_is_found(last, answer):
    reply = answer(*HI[:2], last, DONE)
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, 3)


def test_two_choices_are_kept_apart(answer, ask):
    pieces = [event({"choices": [{"index": n % 2, "delta": {"content": t}}]}) for n, t in enumerate("abAB")]
    ends = [
        event({"choices": [{"index": n, "delta": {}, "finish_reason": reason}]})
        for n, reason in enumerate(("stop", "length"))
    ]
    reply = answer(*pieces, *ends, DONE)
    assert (reply.content, ask.deltas) == ("aA", ["a", "A"])
    assert reply.alternatives == ({"finish_reason": "length", "message": {"role": "assistant", "content": "bB"}},)
