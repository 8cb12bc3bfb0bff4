"""What was asked once is not asked again, where a cache is asked for."""

import json

import pytest

from agentchat.cache import Cache
from agentchat.llm.response import ModelResponse
from agentchat.testing import call, cut, say

_ODD_FIELDS = [
    *(("tool_calls", value) for value in ('"x"', '["x"]', '[{"id": 5}]', "5", "[{}]")),
    *(("prompt_tokens", value) for value in ('"x"', "-1", "1e400", "true", str(2**70))),
    *(("cost", value) for value in ('"x"', "-1", "NaN")),
    *(("refused", "[5]"), ("function_call", "5"), ("reasoning", "5"), ("alternatives", '"x"'), ("pass_filter", "5")),
]


@pytest.fixture
def cache():
    return Cache.memory()


def test_the_same_request_is_sent_once_and_its_answer_emitted_each_time(scripted_llm, ask, cache):
    scripted_llm.replies(say("Hello there", usage=(5, 2)))
    first = ask(scripted_llm.llm_config(price=[1, 1]), cache=cache)
    again = ask(scripted_llm.llm_config(price=[1, 1]), cache=cache)
    assert ask.emitted == [(1, "Hello there")]
    assert (first.cached, again.cached) == (False, True)
    assert (again.content, again.prompt_tokens, again.cost) == ("Hello there", 5, 0.007)


def test_without_a_cache_it_is_asked_again(scripted_llm, ask):
    scripted_llm.always(say("Hi"))
    ask(scripted_llm.llm_config())
    ask(scripted_llm.llm_config())
    assert len(scripted_llm.requests) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"temperature": 1},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
        {"said": "Bye"},
        {"entry": {"model": "another"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_question_is_asked(scripted_llm, ask, cache, other):
    scripted_llm.replies(say("one"), say("two"))
    ask(scripted_llm.llm_config(), cache=cache)
    said, entry = other.pop("said", "Hello"), {**scripted_llm.config_list[0], **other.pop("entry", {})}
    assert ask({"config_list": [entry], **other}, said, cache=cache).content == "two"


def test_how_long_we_wait_is_no_part_of_the_question(scripted_llm, ask, cache):
    scripted_llm.replies(say("one"))
    ask(scripted_llm.llm_config(), cache=cache)
    assert ask(scripted_llm.llm_config(timeout=5, max_retries=0), cache=cache).cached


def test_tool_calls_are_cached_as_they_were(scripted_llm, ask, cache):
    scripted_llm.replies(call("weather", city="Paris"))
    first = ask(scripted_llm.llm_config(), cache=cache)
    assert ask(scripted_llm.llm_config(), cache=cache).tool_calls == first.tool_calls
    assert ask.emitted == []


def test_what_broke_off_is_not_cached(scripted_llm, ask, cache):
    scripted_llm.replies(cut("Half"), say("The whole"))
    assert ask(scripted_llm.llm_config(), cache=cache).content == "The whole"
    assert ask(scripted_llm.llm_config(), cache=cache).content == "The whole"


def test_a_cached_answer_of_the_next_entry_replaces_one_that_broke_off(scripted_llm, ask, cache):
    other = {**scripted_llm.config_list[0], "model": "other"}
    scripted_llm.replies(say("kept"), cut("Half"))
    ask({"config_list": [other]}, cache=cache)
    config = {"config_list": [*scripted_llm.config_list, other], "max_retries": 0}
    assert ask(config, cache=cache).content == "kept"
    assert ask.emitted == [(1, "Half"), (2, "kept")]


def test_a_cache_seed_in_the_config_is_a_cache_on_disk(scripted_llm, ask, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scripted_llm.replies(say("one"), say("two"), say("three"))
    assert [ask(scripted_llm.llm_config(cache_seed=seed)).content for seed in (1, 1, 2, None, 2)] == [
        "one",
        "one",
        "two",
        "three",
        "two",
    ]
    assert sorted(path.name for path in (tmp_path / ".cache").iterdir()) == ["1", "2"]


# --- answers that will not do -----------------------------------------------------------------------------------------


def short(context, response):
    return len(response.choices[0].message.content) <= context["most"]


def test_the_next_entry_is_asked_when_the_filter_does_not_take_an_answer(scripted_llm, ask):
    scripted_llm.replies(say("far too long"), say("short"))
    config = {"config_list": scripted_llm.config_list * 2, "filter_func": short}
    reply = ask(config, context={"most": 5})
    assert (reply.content, reply.config_id, reply.pass_filter) == ("short", 1, True)
    assert [one.content for one in reply.paid_for] == ["far too long", "short"]
    assert ask.emitted == [(1, "far"), (1, " too"), (1, " long"), (2, "short")]


def test_the_last_answer_counts_whatever_the_filter_returns(scripted_llm, ask):
    scripted_llm.replies(say("far too long"))
    reply = ask(scripted_llm.llm_config(filter_func=short), context={"most": 5})
    assert (reply.content, reply.pass_filter) == ("far too long", False)


def test_kept_answers_are_filtered_too(scripted_llm, ask, cache):
    scripted_llm.replies(say("far too long"))
    ask(scripted_llm.llm_config(), cache=cache)
    reply = ask(scripted_llm.llm_config(filter_func=short), context={"most": 5}, cache=cache)
    assert (reply.cached, reply.pass_filter) == (True, False)


def test_another_deployment_at_the_same_address_is_another_service(scripted_llm, ask):
    scripted_llm.replies(say("of one"), say("of two"))
    azure = {
        **{"model": "gpt-4o", "api_type": "azure", "api_version": "2024-02-01", "api_key": "k"},
        **{"azure_endpoint": scripted_llm.base_url.removesuffix("/v1")},
    }
    cache = Cache.memory()
    answers = [ask({**azure, "azure_deployment": name}, cache=cache).content for name in ("one", "two", "one")]
    assert answers == ["of one", "of two", "of one"]


@pytest.mark.parametrize(
    "broken",
    [
        *("[]", "5", "{}", "[" * 100_000, "", '{"content": 5, "finish_reason": "stop", "model": "m"}'),
        '{"content": "Hi", "finish_reason": "stop", "model": "m", "tool_calls": "x"}',
    ],
    ids=lambda broken: broken[:60],
)
def test_a_broken_file_leads_to_a_new_question_and_to_a_whole_file(scripted_llm, ask, tmp_path, broken):
    scripted_llm.replies(say("one"), say("two"))
    cache = Cache.disk(1, str(tmp_path))
    ask(scripted_llm.llm_config(), cache=cache)
    [file] = tmp_path.glob("1/*.json")
    file.write_text(broken)
    assert ask(scripted_llm.llm_config(), cache=cache).content == "two"
    assert ask.deltas == ["two"]
    assert ask(scripted_llm.llm_config(), cache=cache).cached


@pytest.mark.parametrize("field", _ODD_FIELDS, ids=": ".join)
def test_what_no_answer_has_is_no_answer(field):
    whole = '{"content": "Hi", "finish_reason": "stop", "model": "m"%s}'
    assert ModelResponse.from_json(json.loads(whole % "")).content == "Hi"
    with pytest.raises((AttributeError, TypeError, ValueError)):
        ModelResponse.from_json(json.loads(whole % ', "{}": {}'.format(*field)))


def test_a_file_that_cannot_be_read_as_text_is_none(scripted_llm, ask, tmp_path):
    scripted_llm.replies(say("one"), say("two"))
    cache = Cache.disk(1, str(tmp_path))
    ask(scripted_llm.llm_config(), cache=cache)
    [file] = tmp_path.glob("1/*.json")
    file.write_bytes(b"\xff\xfe")
    assert ask(scripted_llm.llm_config(), cache=cache).content == "two"
