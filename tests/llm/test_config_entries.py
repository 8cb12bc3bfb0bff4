"""What an llm_config must hold, and what is added to it."""

import copy

import httpx2
import pytest
from pydantic import BaseModel

from agentchat.core.secrets import mask, masked
from agentchat.errors import ConfigError
from agentchat.llm.config_entries import OPENAI, copy_of, entries_of
from agentchat.llm.timeouts import VARIABLE, Timeout

KEY = "sk-0123456789abcdef"


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch):
    for name in (
        *("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_VERSION"),
        *("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", VARIABLE),
    ):
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
        ({"model": "m", "api_key": KEY, "api_type": "anthropic"}, "unknown api_type 'anthropic'"),
        ({"model": "m", "api_key": KEY, "api_type": "azure"}, "no 'base_url'"),
        ({"model": "m", "api_key": KEY, "api_type": "azure", "base_url": "https://x"}, "no 'api_version'"),
        ({"model": "m", "api_key": KEY, "http_client": object()}, "'http_client' is a object; use an httpx2"),
        ({"model": "m", "api_key": KEY, "azure_ad_token": "x"}, "'azure_ad_token' is not supported"),
        ({"model": "m", "api_key": KEY, "extra_body": "x"}, "'extra_body' is a str; use a dict"),
        ({"model": "m", "api_key": KEY, "extra_headers": ["x"]}, "'extra_headers' is a list; use a dict"),
        ({"model": "m", "api_key": KEY, "default_query": 1}, "'default_query' is a int; use a dict"),
        ({"model": "m", "api_key": KEY, "response_format": int}, "'response_format' is int; use a pydantic model"),
        ({"model": "m", "api_key": KEY, "price": "cheap"}, "'price' is 'cheap'; use US dollars for"),
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


def test_a_server_of_your_own_needs_no_key():
    assert entries_of({"model": "m", "base_url": "http://127.0.0.1:1/v1"})[0].api_key == "none"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, Timeout(connect=5, first=120, read=60)),
        ({"timeout": 90}, Timeout(connect=5, first=90, read=90)),
        ({"timeout": {"connect": 1}}, Timeout(connect=1, first=120, read=60)),
        ({"timeout": {"connect": 1, "read": 2.5}}, Timeout(connect=1, first=2.5, read=2.5)),
        ({"timeout": {"first": 600}}, Timeout(connect=5, first=600, read=60)),
        ({"timeout": {"first": None, "read": 5}}, Timeout(connect=5, first=None, read=5)),
        ({"timeout": None}, Timeout(connect=5, first=None, read=None)),
        ({"timeout": httpx2.Timeout(7, connect=2)}, Timeout(connect=2, first=7, read=7)),
    ],
)
def test_timeouts_are_seconds_of_silence(given, meant):
    assert entries_of({"model": "m", "api_key": KEY, **given})[0].timeout == meant


def test_the_environment_says_how_long_a_first_word_may_take(monkeypatch):
    monkeypatch.setenv(VARIABLE, "300")
    first = [entries_of({"model": "m", "api_key": KEY, **given})[0].timeout.first for given in ({}, {"timeout": 5})]
    assert first == [300, 5]
    assert entries_of({"model": "m", "api_key": KEY, "timeout": {"connect": 1}})[0].timeout.first == 300


@pytest.mark.parametrize("value", ["soon", "0", "-1", "inf", "nan"])
def test_an_environment_that_names_no_time_is_refused(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(ConfigError, match=f"{VARIABLE} is '{value}'"):
        entries_of({"model": "m", "api_key": KEY})


AZURE = {"model": "m", "api_type": "azure", "api_version": "2026-01-01"}


def test_azure_has_variables_of_its_own(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-key")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.openai.azure.com")
    monkeypatch.setenv("OPENAI_API_KEY", "other-key")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    [entry] = entries_of(AZURE)
    assert (entry.api_key, entry.base_url) == ("azure-key", "https://mine.openai.azure.com")
    assert entries_of({"model": "m"})[0].api_key == "other-key"


def test_a_key_for_azure_is_named_where_it_is_missing():
    with pytest.raises(ConfigError, match="set AZURE_OPENAI_API_KEY"):
        entries_of({**AZURE, "azure_endpoint": "https://mine.openai.azure.com"})


@pytest.mark.parametrize(
    ("given", "api_type"),
    [
        ({"api_type": "open_ai"}, "openai"),
        ({"api_type": "OpenAI"}, "openai"),
        ({"api_type": "Azure", "base_url": "https://x.openai.azure.com", "api_version": "1"}, "azure"),
        ({"api_type": "azure", "base_url": "https://x.openai.azure.com/openai/v1/"}, "openai"),
        ({"api_type": None}, "openai"),
    ],
)
def test_api_types_are_known_in_each_spelling(given, api_type):
    assert entries_of({"model": "m", "api_key": KEY, **given})[0].api_type == api_type


def test_what_is_extra_comes_last():
    [entry] = entries_of(
        {
            "model": "m",
            "api_key": KEY,
            "temperature": 1,
            "default_headers": {"x-a": "1", "x-b": "2"},
            "extra_headers": {"x-b": 3},
            "default_query": {"v": "1"},
            "extra_query": {"w": 2},
            "extra_body": {"temperature": 0, "thinking": False},
        }
    )
    assert entry.parameters == {"temperature": 0, "thinking": False}
    assert entry.headers == (("x-a", "1"), ("x-b", "3"))
    assert entry.query == (("v", "1"), ("w", "2"))


def test_a_config_is_copied_without_its_http_clients():
    with httpx2.Client() as client, pytest.raises(TypeError):
        copy.deepcopy(client)  # it holds what cannot be copied
    config = {"config_list": [{"model": "m", "http_client": client, "tags": ["a"]}], "http_client": client}
    copied = copy_of(config)
    assert copied == config
    assert copied["http_client"] is copied["config_list"][0]["http_client"] is client
    assert copied["config_list"][0]["tags"] is not config["config_list"][0]["tags"]


def test_a_response_format_may_be_a_pydantic_model():
    class Answer(BaseModel):
        city: str

    assert entries_of({"model": "m", "api_key": KEY, "response_format": Answer})[0].parameters == {
        "response_format": Answer
    }


@pytest.mark.parametrize(("given", "meant"), [([1, 2], (1, 2)), (3, (3, 3)), (None, None)])
def test_a_price_is_for_a_thousand_tokens_of_the_prompt_and_of_the_answer(given, meant):
    assert entries_of({"model": "m", "api_key": KEY, "price": given})[0].price == meant


def test_a_model_client_of_your_own_needs_no_key_and_no_address():
    [entry] = entries_of({"model": "m", "model_client_cls": "Mine", "device": "cpu"})
    assert (entry.client_class, str(entry)) == ("Mine", "model 'm' at Mine")
    assert entry.parameters == {"device": "cpu"}


def test_no_text_about_an_entry_shows_its_key_or_password():
    entry = entries_of({"model": "m", "api_key": KEY, "base_url": "https://me:secret@llm.example.org/v1"})[0]
    assert str(entry) == "model 'm' at llm.example.org"
    assert KEY not in repr(entry)
    assert "secret" not in repr(entry)
    assert mask(f"{KEY} is wrong") == "sk-…cdef is wrong"


def test_short_keys_are_masked_whole():
    assert masked("sk-12345") == "…"
