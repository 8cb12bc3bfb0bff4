"""What an llm_config must hold, and what is added to it."""

import pytest

from agentchat.errors import ConfigError
from agentchat.llm.entries import OPENAI, Timeout, entries_of, masked

KEY = "sk-0123456789abcdef"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("llm_config", "words"),
    [
        ({}, "needs a 'model'"),
        ({"model": ""}, "needs a 'model'"),
        ({"config_list": []}, "at least one entry"),
        ({"config_list": {"model": "m"}}, "must be a list"),
        ({"config_list": ["m"]}, "must be a dict, not str"),
        ({"config_list": [{"api_key": KEY}]}, "its keys are"),
        ({"model": "m"}, "no API key for model 'm': set OPENAI_API_KEY"),
        ({"model": "m", "api_key": KEY, "api_type": "anthropic"}, "no api_type 'anthropic'"),
        ({"model": "m", "api_key": KEY, "api_type": "azure"}, "no 'base_url'"),
        ({"model": "m", "api_key": KEY, "api_type": "azure", "base_url": "https://x"}, "no 'api_version'"),
        ({"model": "m", "api_key": KEY, "http_client": object()}, "'http_client' is not supported"),
        ({"model": "m", "api_key": KEY, "price": "cheap"}, "'price' is 'cheap'; give US dollars for"),
        ({"model": "m", "api_key": KEY, "price": [1]}, "'price' is"),
        ({"model": "m", "api_key": KEY, "base_url": "api.example.org"}, "must look like https://"),
        ({"model": "m", "api_key": KEY, "base_url": "http://x:port"}, "must look like https://"),
        ({"model": "m", "api_key": KEY, "timeout": "soon"}, "'timeout' is 'soon'"),
        ({"model": "m", "api_key": KEY, "timeout": 0}, "'timeout' is 0"),
        ({"model": "m", "api_key": KEY, "timeout": {"write": 5}}, "'timeout' is"),
        ({"model": "m", "api_key": KEY, "max_retries": -1}, "'max_retries' is -1"),
        ({"model": "m", "api_key": KEY, "max_retries": True}, "'max_retries' is True"),
    ],
)
def test_what_cannot_work_is_named(llm_config, words):
    with pytest.raises(ConfigError, match=words) as raised:
        entries_of(llm_config)
    assert KEY not in str(raised.value)


def test_key_and_address_come_from_the_environment_where_the_entry_has_none(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-environment")
    assert entries_of({"model": "m"})[0].api_key == "sk-environment"
    assert entries_of({"model": "m"})[0].base_url == OPENAI
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert entries_of({"model": "m", "api_key": KEY})[0].api_key == KEY
    assert entries_of({"model": "m"})[0].base_url == "http://127.0.0.1:1/v1"


def test_a_server_of_one_s_own_needs_no_key():
    assert entries_of({"model": "m", "base_url": "http://127.0.0.1:1/v1"})[0].api_key == "none"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, Timeout(connect=5, read=30)),
        ({"timeout": 120}, Timeout(connect=5, read=120)),
        ({"timeout": {"connect": 1}}, Timeout(connect=1, read=30)),
        ({"timeout": {"connect": 1, "read": 2.5}}, Timeout(connect=1, read=2.5)),
        ({"timeout": None}, Timeout(connect=5, read=None)),
    ],
)
def test_timeouts_are_seconds_of_silence(given, meant):
    assert entries_of({"model": "m", "api_key": KEY, **given})[0].timeout == meant


@pytest.mark.parametrize(("given", "meant"), [([1, 2], (1, 2)), (3, (3, 3)), (None, None)])
def test_a_price_is_for_a_thousand_tokens_of_the_prompt_and_of_the_answer(given, meant):
    assert entries_of({"model": "m", "api_key": KEY, "price": given})[0].price == meant


def test_a_model_client_of_one_s_own_needs_no_key_and_no_address():
    [entry] = entries_of({"model": "m", "model_client_cls": "Mine", "device": "cpu"})
    assert (entry.client_class, str(entry)) == ("Mine", "model 'm' at Mine")
    assert entry.parameters == {"device": "cpu"}


def test_no_text_about_an_entry_shows_its_key_or_password():
    entry = entries_of({"model": "m", "api_key": KEY, "base_url": "https://me:secret@llm.example.org/v1"})[0]
    assert str(entry) == "model 'm' at llm.example.org"
    assert KEY not in repr(entry)
    assert "secret" not in repr(entry)
    assert entry.without_key(f"{KEY} is wrong") == "sk-…cdef is wrong"


def test_short_keys_are_masked_whole():
    assert masked("sk-12345") == "…"
