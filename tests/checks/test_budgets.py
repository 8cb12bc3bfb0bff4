"""Limits and budgets that mean nobody."""

from agentchat.checks.budgets import check_budgets


def found(settings, **agentchat):
    settings.AGENTCHAT = agentchat
    return [message.id for message in check_budgets()]


def test_a_budget_of_no_agent_is_a_warning(settings):
    budget = {"of": "agent", "what": "runs", "limit": 1, "per": "day"}
    assert found(settings, BUDGETS=[{**budget, "name": "no_such_agent"}]) == ["agentchat.W025"]
    assert found(settings, BUDGETS=[budget, {**budget, "name": "assistant"}]) == []
    assert found(settings, BUDGETS="nonsense") == []  # E001 says so


def test_a_limit_that_nobody_could_extend_is_an_error(settings):
    assert found(settings, LIMITS_ASK="shop.raise_limits") == ["agentchat.E019"]
    assert found(settings, LIMITS_ASK="agentchat.raise_limits") == []
    assert found(settings, LIMITS_ASK="nobody") == []
