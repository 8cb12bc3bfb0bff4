"""Adding up what was used."""

from agentchat.llm.reply import Reply
from agentchat.llm.usage import Totals


def reply(model, prompt_tokens, completion_tokens):
    return Reply(
        content="", finish_reason="stop", model=model, prompt_tokens=prompt_tokens, completion_tokens=completion_tokens
    )


def test_tokens_are_added_up_model_by_model():
    totals = Totals()
    totals.add(reply("a", 1, 2))
    totals.add(reply("a", 10, 20))
    totals.add(reply("b", 5, 0))
    assert totals.as_dict() == {
        "total_cost": 0,
        "a": {"cost": 0, "prompt_tokens": 11, "completion_tokens": 22, "total_tokens": 33},
        "b": {"cost": 0, "prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5},
    }


def test_totals_of_several_agents_are_summed_without_changing_them():
    first, second = Totals(), Totals()
    first.add(reply("a", 1, 2))
    second.add(reply("a", 3, 4))
    assert sum([first, second], Totals()).as_dict()["a"]["total_tokens"] == 10
    assert first.as_dict()["a"]["total_tokens"] == 3


def test_nothing_used_costs_nothing():
    assert Totals().as_dict() == {"total_cost": 0}
