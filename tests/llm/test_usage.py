"""Adding up what was used."""

import threading

import pytest

from agentchat.errors import ConfigError
from agentchat.llm.response import ModelResponse
from agentchat.llm.usage import UsageTotals, sum_of


def reply(model, prompt_tokens, completion_tokens, **more):
    return ModelResponse(
        content="",
        finish_reason="stop",
        model=model,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        **more,
    )


def totals(*replies):
    some = UsageTotals()
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


def test_a_cost_is_a_number_and_says_where_a_price_is_missing():
    some = totals(reply("a", 1, 2), reply("a", 1, 2, cost=0.5), reply("b", 5, 0, cost=1.0), reply("c", 1, 1))
    assert [some.actual[model]["cost"] for model in "abc"] == [0.5, 1.0, 0.0]
    assert [some.actual[model].get("known") for model in "abc"] == [False, None, False]
    assert f"{some.actual['total_cost']:.4f}" == "1.5000"
    assert sum_of([some, some]).actual["c"]["known"] is False


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
    assert (UsageTotals().actual, UsageTotals().total) == (None, None)
    assert UsageTotals().as_cost() == {
        "usage_including_cached_inference": {"total_cost": 0},
        "usage_excluding_cached_inference": {"total_cost": 0},
    }


RULE = "-" * 100


def test_the_summary_reads_as_in_autogen():
    some = totals(reply("a", 1, 2, cost=0.123456789))
    assert some.as_text(["actual", "total"]) == (
        f"{RULE}\n"
        "Usage summary excluding cached usage: \n"
        "Total cost: 0.12346\n"
        "* Model 'a': cost: 0.12346, prompt_tokens: 1, completion_tokens: 2, total_tokens: 3\n"
        "\n"
        "All completions are non-cached: the total cost with cached completions is the same as actual cost.\n"
        f"{RULE}"
    )


def test_the_summary_says_what_is_unknown_and_what_came_from_a_cache():
    assert totals(reply("a", 1, 2, cached=True)).as_text(["actual", "total"]) == (
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
    words = totals(reply("a", 1, 2, cost=1.0)).as_text(mode)
    assert f"Usage summary {word} cached usage" in words
    assert words.count("Usage summary") == 1


def test_without_an_answer_there_is_no_summary():
    assert UsageTotals().as_text("total") == 'No usage summary. Please call "create" first.'


@pytest.mark.parametrize("mode", ["all", [], ["actual", "other"]])
def test_another_half_is_refused(mode):
    with pytest.raises(ConfigError, match="choose 'actual', 'total'"):
        totals(reply("a", 1, 2)).as_text(mode)


def test_totals_may_be_read_and_summed_while_a_model_answers_in_another_thread():
    class Growing(dict):
        """While it is looked through, another thread has the answer of one more model."""

        def items(self):
            for number, item in enumerate(super().items()):
                answers = threading.Thread(target=used.add, args=[reply(f"later {number}", 1, 1)], daemon=True)
                answers.start()
                answers.join(0.2)  # it has to wait
                yield item

    used = totals(reply("m", 1, 1))
    used._total = Growing(used._total)
    assert (used + UsageTotals()).total["m"]["total_tokens"] == 2
