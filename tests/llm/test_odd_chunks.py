"""Chunks that no service should send: the next entry of the config list is asked, and no other error is raised."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentchat.errors import LLMError, LLMRefused, LLMStreamTruncated
from agentchat.llm.config_entries import entries_of
from agentchat.llm.errors import kind_of, words_of
from agentchat.llm.pricing import cost_of
from agentchat.llm.response import ModelResponse
from agentchat.llm.stream_parser import StreamParser
from agentchat.testing import ScriptedLLM, fail, raw, say
from tests.llm.chunks import DONE, HI, chunk, event

DEEP = "[" * 100_000
FIELDS = [
    *("choices", "delta", "message", "content", "tool_calls", "function", "name", "arguments", "index", "id", "usage"),
    *("prompt_tokens", "model", "text", "error", "finish_reason", "reasoning_details", "x_groq"),
]
ODD = [
    event({"choices": "abc"}),
    event({"choices": {"0": {}}}),
    event({"choices": ["abc"]}),
    event({"choices": [{"delta": 5}]}),
    event({"choices": [{"delta": ["x"]}]}),
    chunk({"content": 5}),
    chunk({"content": True}),
    chunk({"refusal": ["x"]}),
    chunk({"tool_calls": "x"}),
    chunk({"tool_calls": ["x"]}),
    chunk({"tool_calls": [{"index": 1e999, "function": {"name": "f"}}]}),
    chunk({"function_call": "x"}),
    *(chunk({}, usage=usage) for usage in ("x", [1], 7)),
    *(chunk({}, usage={"prompt_tokens": tokens}) for tokens in (-1, "7", [7], True, 1.5, 2**70, float("inf"))),
    event({"x_groq": {"usage": "x"}}),
    event({"choices": [{"index": "²", "delta": {"content": "x"}}]}),
    event({"choices": [{"index": "9" * 5000, "delta": {"content": "x"}}]}),
    event(5),
    event("x", prefix='data: {"choices": '),
    f"data: {DEEP}\n\n".encode(),
    f'data: {{"choices": {DEEP}\n\n'.encode(),
    f'data: {{"choices": {DEEP}{"]" * 100_000}}}\n\n'.encode(),
    f'data: {{"error": {"[" * 700}{"]" * 700}}}\n\n'.encode(),
]


def parse(*pieces, streamed=True):
    parser = StreamParser(lambda text: None, model="asked", new_call_id=str)
    for piece in pieces:
        (parser.feed if streamed else parser.feed_unstreamed)(piece)
    return parser.response()


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("before", [[], HI[:1], HI[:2]], ids=["first", "in between", "last"])
def test_an_answer_with_an_odd_chunk_is_none(odd, before):
    with pytest.raises(LLMError) as raised:
        parse(*before, odd, *HI[len(before) :])
    assert type(raised.value) in (LLMStreamTruncated, LLMError)


def test_nor_is_one_that_is_not_streamed():
    for body in (DEEP, f"{{{DEEP}", '{"choices": "abc"}', '{"choices": [{"message": 5}]}', "{}", "[]", "5"):
        with pytest.raises(LLMStreamTruncated):
            parse(body.encode(), streamed=False)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(FIELDS),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_an_answer_or_an_error_of_ours(value):
    try:
        response = parse(event(value), *HI)
    except LLMError:
        return
    assert ModelResponse.from_json(json.loads(json.dumps(response.to_json()))) == response


def test_another_entry_answers_instead(scripted_llm, ask):
    with ScriptedLLM() as other:
        scripted_llm.always(raw(*HI[:1], chunk({"tool_calls": "x"}), *HI[1:]))
        other.replies(say("Hello"))
        config = {"config_list": scripted_llm.config_list + other.config_list, "max_retries": 1}
        assert ask(config).content == "Hello"
        assert len(scripted_llm.requests) == 2
        assert ask.deltas[-1] == "Hello"


def test_without_another_entry_the_answer_was_cut_off(answer):
    with pytest.raises(LLMStreamTruncated, match=r"a value of the kind str for 'usage'"):
        answer(*HI[:2], chunk({}, usage="x"), DONE)


@pytest.mark.parametrize("details", ["x", [1], {"cached_tokens": "x"}, {"cached_tokens": -5}, None])
def test_odd_details_of_the_usage_cost_no_answer(details):
    [entry] = entries_of({"model": "gpt-4o", "api_key": "k", "base_url": "https://api.openai.com/v1"})
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": details}
    assert cost_of(entry, "gpt-4o", usage) is None or cost_of(entry, "gpt-4o", usage) >= 0


def test_an_error_that_is_nested_deeply_is_one_of_its_status(scripted_llm, ask):
    body = json.loads("[" * 400 + "]" * 400)
    assert kind_of({"error": body}, 400) is LLMRefused
    assert isinstance(words_of({"error": body}), str)
    scripted_llm.always(fail(400, {"error": body}))
    with pytest.raises(LLMRefused):
        ask(scripted_llm.llm_config())


# --- what a custom client gives ---------------------------------------------------------------------------------------


class Client:
    content: object = "Hi"
    usage: object = None
    costs: object = 0.0
    raises: BaseException | None = None

    def __init__(self, entry, **more):
        pass

    def create(self, params):
        if self.raises is not None:
            raise self.raises

    def message_retrieval(self, response):
        return [{"content": self.content}]

    def cost(self, response):
        return self.costs

    @staticmethod
    def get_usage(response):
        return Client.usage


class OwnInterrupt(BaseException):
    """Of a library that wants no handler to swallow it."""


@pytest.mark.parametrize(
    "odd",
    [
        *({"content": content} for content in (5, ["x"], b"x")),
        *({"costs": costs} for costs in (-1, float("nan"), "x")),
        *({"raises": error} for error in (OwnInterrupt(), SystemExit(1), KeyboardInterrupt(), StopIteration())),
        {"raises": GeneratorExit()},
    ],
    ids=repr,
)
def test_an_odd_custom_client_is_passed_over(scripted_llm, ask, monkeypatch, odd):
    for name, value in odd.items():
        monkeypatch.setattr(Client, name, value)
    scripted_llm.replies(say("Hello"))
    custom = {"model": "mine", "model_client_cls": "Client"}
    assert ask({"config_list": [custom, *scripted_llm.config_list]}, clients={0: Client({})}).content == "Hello"
