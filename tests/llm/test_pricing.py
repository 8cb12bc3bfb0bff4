"""What an answer cost: known, or unknown, and never guessed."""

import pytest

from agentchat.llm.config_entries import OPENAI, entries_of
from agentchat.llm.pricing import cost_of

USED = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000, "total_tokens": 1_100_000}


def entry(**more):
    return entries_of({"model": "gpt-4o", "api_key": "k", "base_url": OPENAI, **more})[0]


def test_a_known_model_of_a_known_service_has_its_published_price():
    assert cost_of(entry(), "gpt-4o-2024-08-06", USED) == pytest.approx(2.5 + 1.0)


def test_cached_prompt_tokens_cost_less():
    kept = {**USED, "prompt_tokens_details": {"cached_tokens": 1_000_000}}
    assert 0 < cost_of(entry(), "gpt-4o", kept) < cost_of(entry(), "gpt-4o", USED)


@pytest.mark.parametrize(
    ("where", "model"),
    [
        ({}, "gpt-999"),
        ({}, "ft:gpt-4o:acme"),
        ({"base_url": "http://127.0.0.1:8000/v1"}, "gpt-4o"),  # who knows who answers there
        ({"base_url": "http://ollama:11434/v1"}, "gpt-4o"),
        ({"base_url": "http://192.168.1.9/v1"}, "gpt-4o"),
        ({"base_url": "http://gpu.local/v1"}, "gpt-4o"),
        ({"base_url": "http://[::1]:8000/v1"}, "gpt-4o"),
        ({"base_url": "https://llm.example.org/v1"}, "gpt-999"),
    ],
)
def test_an_unpublished_price_is_unknown(where, model):
    assert cost_of(entry(**where), model, USED) is None


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o", "eu/openai/gpt-4o"])
def test_a_model_behind_an_address_that_is_not_known_has_the_price_of_its_maker(model):
    behind = entry(base_url="https://llm.example.org/v1", model="house-model")
    assert cost_of(behind, model, USED) == pytest.approx(2.5 + 1.0)
    kept = {**USED, "prompt_tokens_details": {"cached_tokens": 1_000_000}}
    assert 0 < cost_of(behind, model, kept) < 3.5


@pytest.mark.parametrize("used", [{}, {"prompt_tokens": 5}, {"prompt_tokens": None, "completion_tokens": 3}])
def test_without_both_counts_the_cost_is_unknown(used):
    assert cost_of(entry(), "gpt-4o", used) is None
    assert cost_of(entry(price=[1, 2]), "gpt-4o", used) is None


def test_an_entry_s_own_price_comes_first():
    assert cost_of(entry(price=[0.001, 0.01]), "gpt-4o", USED) == pytest.approx(1 + 1)
    assert cost_of(entry(price=[1, 2], base_url="http://127.0.0.1:1/v1"), "mine", USED) == pytest.approx(1200)


def test_the_demo_model_costs_nothing():
    assert cost_of(entries_of({"model": "demo", "api_type": "demo"})[0], "demo", USED) == 0
