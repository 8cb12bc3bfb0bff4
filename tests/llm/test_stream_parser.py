"""Putting an answer together from its bytes, whatever server they come from."""

import contextlib
import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentchat.core.think_tags import may_be_opening
from agentchat.errors import LLMAuthError, LLMError, LLMRateLimited, LLMStreamTruncated
from agentchat.llm import event_stream
from agentchat.llm.stream_parser import StreamParser


def new_answer(deltas=None):
    return StreamParser(
        (deltas if deltas is not None else []).append, model="asked", new_call_id=lambda position: f"made_{position}"
    )


def event(value, *, end="\n\n", prefix="data: ", ascii_only=False):
    return (prefix + json.dumps(value, ensure_ascii=ascii_only) + end).encode()


def text(content, **options):
    return event({"choices": [{"index": 0, "delta": {"content": content}}]}, **options)


def finish(reason="stop", **options):
    return event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}, **options)


def calls(*deltas):
    return event({"choices": [{"index": 0, "delta": {"tool_calls": list(deltas)}}]})


def reply_to(*data):
    answer = new_answer()
    for piece in data:
        answer.feed(piece)
    return answer.response()


def function_call(**parts):
    return event({"choices": [{"index": 0, "delta": {"function_call": parts}}]})


def as_emitted(texts):
    """A beginning that may become the tag of a thought, such as a blank, is emitted with what decides it."""
    held = sum(1 for _ in itertools.takewhile(may_be_opening, itertools.accumulate(texts)))
    return ["".join(texts[: held + 1]), *texts[held + 1 :]] if texts else []


USAGE = event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
DONE = b"data: [DONE]\n\n"


@example(["\r", " ", "0", "1"], [], "\n\n")
@example([" ", "["], [], "\n\n")
@given(st.lists(st.text(min_size=1), max_size=8), st.lists(st.integers(0, 5000)), st.sampled_from(["\n\n", "\r\n\r\n"]))
def test_the_answer_is_the_same_wherever_its_bytes_are_cut(texts, cuts, end):
    stream = b"".join(text(part, end=end) for part in texts) + finish(end=end) + USAGE + DONE
    places = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    deltas = []
    answer = new_answer(deltas)
    for start, stop in itertools.pairwise(places):
        answer.feed(stream[start:stop])
    reply = answer.response()
    assert reply.content == "".join(texts)
    assert deltas == as_emitted(texts)
    assert (reply.prompt_tokens, reply.completion_tokens) == (7, 3)
    assert answer.done


@given(st.text(alphabet="a😀é\U0001f9d1\u200d", min_size=1), st.integers(0, 20))
def test_a_surrogate_pair_split_over_two_deltas_is_emitted_joined(words, cut):
    units = words.encode("utf-16-le")
    cut = 2 * (cut % (len(units) // 2 + 1))
    halves = [part.decode("utf-16-le", "surrogatepass") for part in (units[:cut], units[cut:])]
    deltas = []
    answer = new_answer(deltas)
    answer.feed(b"".join(text(half, ascii_only=True) for half in halves) + finish())
    assert answer.response().content == words
    assert "".join(deltas) == words
    assert all(delta.encode() for delta in deltas)  # each can be sent by itself


def test_a_half_character_without_its_other_half_is_replaced():
    assert reply_to(text("a\ud83d", ascii_only=True), finish()).content == "a\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    "stream",
    [
        b": keep-alive\n\n" + text("Hi") + b": OPENROUTER PROCESSING\n\n" + finish(),
        text("Hi", prefix="data:") + finish(prefix="data:"),
        text("Hi", end="\n") + finish(end="\n"),
        text("Hi", end="\r\n\r\n") + finish(end="\r\n\r\n"),
        b"event: chunk\nid: 1\nretry: 5\n" + text("Hi") + finish(),
        text("Hi") + finish(end=""),
        b'data: {"choices": [{"index": 0,\ndata: "delta": {"content": "Hi"}}]}\n\n' + finish(),
        event({"choices": [{"index": 1, "delta": {"content": "Other"}}]}) + text("Hi") + finish(),
        event({"choices": [{"delta": {"content": [{"type": "text", "text": "Hi"}]}}]}) + finish(),
        event({"choices": [{"delta": {"refusal": "Hi"}}]}) + finish(),
        event({"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}], "usage": None}),
    ],
    ids=[
        "comments",
        "no blank after data:",
        "no blank lines",
        "CRLF",
        "other fields",
        "no end of the last line",
        "an object over several lines",
        "a second choice",
        "content in parts",
        "a refusal",
        "all at once",
    ],
)
def test_servers_may_write_their_streams_in_other_ways(stream):
    assert reply_to(stream).content == "Hi"


def test_the_finish_reason_is_kept():
    assert reply_to(text("Half a"), finish("length")).finish_reason == "length"
    assert reply_to(finish("content_filter")).finish_reason == "content_filter"


def test_the_model_that_answered_is_named_if_the_server_names_it():
    assert reply_to(finish()).model == "asked"
    assert reply_to(event({"model": "asked-2026", "choices": []}), finish()).model == "asked-2026"


def test_an_answer_without_usage_counts_nothing():
    reply = reply_to(text("Hi"), finish(), event({"choices": [], "usage": {"prompt_tokens": None}}))
    assert (reply.prompt_tokens, reply.completion_tokens) == (0, 0)


def test_an_answer_that_was_not_streamed_is_taken_whole():
    answer = new_answer()
    message = {"content": "Hi", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]}
    answer.feed_unstreamed(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())
    assert answer.response().content == "Hi"
    assert answer.response().tool_calls[0]["id"] == "a"


@pytest.mark.parametrize(
    "stream",
    [b"", DONE, text("Half an ans"), b'data: {"choices": [{"delta": {"cont', b"data: {oops\n\n"],
)
def test_an_answer_without_a_finish_reason_is_cut(stream):
    with pytest.raises(LLMStreamTruncated):
        reply_to(stream)


@pytest.mark.parametrize("stream", [b"data: [1, 2]\n\n", b"data: 5\n\n"])
def test_what_is_no_object_is_no_answer(stream):
    with pytest.raises(LLMStreamTruncated, match="not an object"):
        reply_to(stream)


def test_a_line_without_end_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(event_stream, "MAX_LINE_BYTES", 1000)
    answer = new_answer()
    answer.feed(b"data: " + b"x" * 900)
    with pytest.raises(LLMStreamTruncated, match="longer than 1000 bytes"):
        answer.feed(b"x" * 200)


def test_a_huge_line_is_read():
    huge = "ä" * 2_000_000
    stream = text(huge) + finish()
    pieces = [stream[start : start + 65536] for start in range(0, len(stream), 65536)]
    assert reply_to(*pieces).content == huge


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "overloaded", "code": 529}, LLMError),
        ({"message": "slow down", "code": "rate_limit_exceeded"}, LLMRateLimited),
        ({"message": "slow down", "code": 429}, LLMRateLimited),
        ({"message": "who are you", "code": "invalid_api_key"}, LLMAuthError),
        ("just words", LLMError),
    ],
)
def test_an_error_in_the_stream_is_raised(error, kind):
    words = error if isinstance(error, str) else error["message"]
    with pytest.raises(kind, match=words) as raised:
        reply_to(text("Half"), event({"error": error}))
    assert type(raised.value) is kind


# --- tool calls -------------------------------------------------------------------------------------------------------


def call_parts(**where):
    """Two calls as OpenAI streams them, but for what `where` says about their place and id."""
    first, second = where["first"], where["second"]
    return [
        calls({**first, "function": {"name": "weather", "arguments": ""}}),
        calls({**where.get("first_again", first), "function": {"arguments": '{"city": '}}),
        calls({**where.get("first_again", first), "function": {"arguments": '"Paris"}'}}),
        calls({**second, "function": {"name": "weather", "arguments": '{"city": "Rome"}'}}),
        finish("tool_calls"),
    ]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        (
            {"first": {"index": 0, "id": "a"}, "first_again": {"index": 0}, "second": {"index": 1, "id": "b"}},
            ["a", "b"],
        ),
        ({"first": {"id": "a"}, "first_again": {}, "second": {"id": "b"}}, ["a", "b"]),
        ({"first": {"id": "a"}, "second": {"id": "b"}}, ["a", "b"]),
        ({"first": {"index": 0, "id": "a"}, "second": {"index": 0, "id": "b"}}, ["a", "b"]),
        ({"first": {"index": 0}, "second": {"index": 1}}, ["made_0", "made_1"]),
        ({"first": {"index": 0, "id": ""}, "second": {"index": 1, "id": None}}, ["made_0", "made_1"]),
        ({"first": {}, "second": {}}, ["made_0", "made_1"]),
        ({"first": {"index": 0, "id": "a"}, "second": {"index": 1, "id": "a"}}, ["a", "made_1"]),
    ],
    ids=[
        "by index",
        "by id",
        "id in every part",
        "one index for all",
        "no ids",
        "empty ids",
        "nothing at all",
        "one id for all",
    ],
)
def test_tool_calls_are_put_together(where, ids):
    first, second = reply_to(*call_parts(**where)).tool_calls
    assert [first["id"], second["id"]] == ids
    assert first["function"] == {"name": "weather", "arguments": '{"city": "Paris"}'}
    assert second["function"] == {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert first["type"] == "function"


def test_parts_of_several_calls_may_be_mixed():
    reply = reply_to(
        calls(
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}},
            {"index": 1, "id": "b", "function": {"name": "g", "arguments": "["}},
        ),
        calls({"index": 1, "function": {"arguments": "]"}}, {"index": 0, "function": {"arguments": "}"}}),
        finish("tool_calls"),
    )
    assert [call["function"] for call in reply.tool_calls] == [
        {"name": "f", "arguments": "{}"},
        {"name": "g", "arguments": "[]"},
    ]


@pytest.mark.parametrize(
    ("arguments", "written"), [({"city": "Paris"}, '{"city": "Paris"}'), ("", "{}"), (None, "{}"), ({}, "{}")]
)
def test_arguments_are_always_text(arguments, written):
    reply = reply_to(calls({"id": "a", "function": {"name": "f", "arguments": arguments}}), finish())
    assert reply.tool_calls[0]["function"]["arguments"] == written


def test_an_older_function_call_is_put_together_and_gets_an_id():
    reply = reply_to(
        function_call(name="add", arguments=""),
        function_call(arguments='{"a": 1,'),
        function_call(arguments=' "b": 2}'),
        finish("function_call"),
    )
    assert reply.function_call == {"name": "add", "arguments": '{"a": 1, "b": 2}', "id": "made_0"}
    assert reply.message() == {"role": "assistant", "content": None, "function_call": reply.function_call}
    assert reply.tool_calls == ()


OBJECTS = [
    {"choices": [{"index": 0, "delta": {"content": 'a } and a " and a ['}}]},
    {"choices": [{"index": 0, "delta": {"content": "\\\\"}, "finish_reason": "stop"}]},
]


@pytest.mark.parametrize("prefix", ["", "data: "])
def test_an_object_may_span_any_lines(prefix):
    lines = [prefix + line for each in OBJECTS for line in json.dumps(each, indent=0).split("\n")]
    assert reply_to("\n".join([*lines, "", ""]).encode()).content == 'a } and a " and a [\\\\'


@pytest.mark.parametrize("line", [b"1,", b"[", b'"', b'{"a": "}"},', b"{}", b"]"])
@pytest.mark.parametrize("start", [b"data: ", b""])
def test_an_object_of_many_lines_is_decoded_once(start, line, monkeypatch):
    decoded = []

    def decode(text):
        decoded.append(len(text))
        return json.loads(text)

    monkeypatch.setattr(event_stream, "_decode", decode)
    answer, first = new_answer(), b'{"a": ['
    with contextlib.suppress(LLMStreamTruncated):
        answer.feed(start + first + b"\n" + 3_000 * (start + line + b"\n"))
    assert sum(decoded) <= 3 * 3_000 * (len(line) + 1)
