"""Adding up what was used."""

import pytest

from agentchat.errors import ConfigError
from agentchat.llm.reply import Reply
from agentchat.llm.usage import UNKNOWN, Totals, sum_of


def reply(model, prompt_tokens, completion_tokens, **more):
    return Reply(
        content="",
        finish_reason="stop",
        model=model,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        **more,
    )


def totals(*replies):
    some = Totals()
    for one in replies:
        some.add(one)
    return some


def test_tokens_and_costs_are_added_up_model_by_model():
    some = totals(reply("a", 1, 2, cost=0.25), reply("a", 10, 20, cost=0.5), reply("b", 5, 0, cost=1.0))
    assert some.actual == {
        "total_cost": 1.75,
        "a": {"cost": 0.75, "prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33},
        "b": {"cost": 1.0, "prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5},
    }


def test_an_unknown_cost_makes_every_sum_with_it_unknown():
    some = totals(reply("a", 1, 2), reply("a", 1, 2, cost=0.5), reply("b", 5, 0, cost=1.0))
    assert some.actual["a"]["cost"] == UNKNOWN == "unknown"
    assert some.actual["b"]["cost"] == 1.0
    assert some.actual["total_cost"] == UNKNOWN


def test_what_came_from_a_cache_counts_in_one_half_only():
    some = totals(reply("a", 1, 2, cost=0.5), reply("a", 10, 20, cost=0.5, cached=True))
    assert (some.actual["a"]["total_tokens"], some.total["a"]["total_tokens"]) == (3, 33)
    assert some.as_cost() == {
        "usage_including_cached_inference": some.total,
        "usage_excluding_cached_inference": some.actual,
    }


def test_totals_of_several_agents_are_summed_without_changing_them():
    first, second = totals(reply("a", 1, 2)), totals(reply("a", 3, 4))
    assert sum_of([first, second]).actual["a"]["total_tokens"] == 10
    assert first.actual["a"]["total_tokens"] == 3


def test_nothing_used_costs_nothing():
    assert (Totals().actual, Totals().total) == (None, None)
    assert Totals().as_cost() == {
        "usage_including_cached_inference": {"total_cost": 0},
        "usage_excluding_cached_inference": {"total_cost": 0},
    }


RULE = "-" * 100


def test_the_summary_reads_as_in_autogen():
    some = totals(reply("a", 1, 2, cost=0.123456789))
    assert some.in_words(["actual", "total"]) == (
        f"{RULE}\n"
        "Usage summary excluding cached usage: \n"
        "Total cost: 0.12346\n"
        "* Model 'a': cost: 0.12346, prompt_tokens: 1, completion_tokens: 2, total_tokens: 3\n"
        "\n"
        "All completions are non-cached: the total cost with cached completions is the same as actual cost.\n"
        f"{RULE}"
    )


def test_the_summary_says_what_is_unknown_and_what_came_from_a_cache():
    assert totals(reply("a", 1, 2, cached=True)).in_words(["actual", "total"]) == (
        f"{RULE}\n"
        "No actual cost incurred (all completions are using cache).\n"
        "\n"
        "Usage summary including cached usage: \n"
        "Total cost: unknown\n"
        "* Model 'a': cost: unknown, prompt_tokens: 1, completion_tokens: 2, total_tokens: 3\n"
        f"{RULE}"
    )


@pytest.mark.parametrize(("mode", "word"), [("actual", "excluding"), (["total"], "including")])
def test_one_half_may_do(mode, word):
    words = totals(reply("a", 1, 2, cost=1.0)).in_words(mode)
    assert f"Usage summary {word} cached usage" in words
    assert words.count("Usage summary") == 1


def test_without_an_answer_there_is_no_summary():
    assert Totals().in_words("total") == 'No usage summary. Please call "create" first.'


@pytest.mark.parametrize("mode", ["all", [], ["actual", "other"]])
def test_another_half_is_refused(mode):
    with pytest.raises(ConfigError, match="choose 'actual', 'total'"):
        totals(reply("a", 1, 2)).in_words(mode)
