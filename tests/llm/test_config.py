"""Config lists in classic form, and which one `llm_config()` takes."""

import json
import logging

import pytest

from agentchat.errors import ConfigError
from agentchat.llm import config
from agentchat.llm.config import DEFAULT_MODEL, config_list_from_json, filter_config, llm_config, set_source, uses_demo

ENTRIES = [
    {"model": "large", "api_key": "sk-large-0123456789", "tags": ["slow", "good"]},
    {"model": "small", "api_key": "sk-small-0123456789", "base_url": "http://127.0.0.1:1/v1"},
]


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch, tmp_path):
    for name in ("OAI_CONFIG_LIST", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(config, "_source", None)
    monkeypatch.setattr(config, "_logged", set())


# --- config_list_from_json --------------------------------------------------------------------------------------------


def test_a_list_is_read_from_a_variable(monkeypatch):
    monkeypatch.setenv("MODELS", json.dumps(ENTRIES))
    assert config_list_from_json("MODELS") == ENTRIES


def test_a_variable_may_name_a_file(monkeypatch, tmp_path):
    (tmp_path / "models.json").write_text(json.dumps(ENTRIES))
    monkeypatch.setenv("MODELS", str(tmp_path / "models.json"))
    assert config_list_from_json("MODELS") == ENTRIES


def test_without_a_variable_a_file_of_that_name_is_read(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "models.json").write_text(json.dumps(ENTRIES))
    assert config_list_from_json("models.json", file_location=tmp_path / "elsewhere") == ENTRIES
    with pytest.raises(FileNotFoundError, match=r"models\.json"):
        config_list_from_json("models.json")


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("[{'model': 'sk-secret'}]", "MODELS is neither JSON nor the path of a file"),
        ("/no/such/sk-secret.json", "MODELS is neither JSON nor the path of a file"),
        ('{"model": "sk-secret"}', "MODELS must be a JSON list of objects"),
        (f'\'[{{"api_key": "sk-secret{300 * "x"}"}}]\'', "MODELS is neither JSON nor the path of a file"),
        ('["sk-secret"]', "MODELS must be a JSON list of objects"),
    ],
)
def test_what_is_no_list_is_refused_without_showing_it(monkeypatch, written, words):
    monkeypatch.setenv("MODELS", written)
    with pytest.raises(ConfigError, match=words) as raised:
        config_list_from_json("MODELS")
    assert "sk-secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("wanted", "models"),
    [
        (None, ["large", "small"]),
        ({}, ["large", "small"]),
        ({"model": ["small", "tiny"]}, ["small"]),
        ({"model": "small"}, ["small"]),
        ({"tags": ["good", "cheap"]}, ["large"]),
        ({"tags": ["good"], "model": ["small"]}, []),
        ({"api_version": ["2026"]}, []),
    ],
)
def test_a_filter_keeps_the_entries_that_fit_in_every_key(monkeypatch, wanted, models):
    monkeypatch.setenv("MODELS", json.dumps(ENTRIES))
    assert [entry["model"] for entry in config_list_from_json("MODELS", filter_dict=wanted)] == models


def test_a_filter_may_exclude():
    assert [entry["model"] for entry in filter_config(ENTRIES, {"model": ["large"]}, exclude=True)] == ["small"]


# --- llm_config -------------------------------------------------------------------------------------------------------


def test_the_order_is_source_then_list_then_key_then_demo(monkeypatch):
    assert uses_demo()
    assert llm_config() == {"config_list": [{"model": "demo", "api_type": "demo"}]}
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env-0123456789abc")
    assert not uses_demo()
    assert llm_config() == {"config_list": [{"model": DEFAULT_MODEL, "api_key": "sk-env-0123456789abc"}]}
    monkeypatch.setenv("OAI_CONFIG_LIST", json.dumps(ENTRIES))
    assert llm_config() == {"config_list": ENTRIES}
    set_source(lambda: [{"model": "set", "api_key": "x"}])
    assert llm_config() == {"config_list": [{"model": "set", "api_key": "x"}]}
    set_source(lambda: None)
    assert llm_config() == {"config_list": ENTRIES}
    assert not uses_demo()


def test_a_server_at_home_needs_no_key(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:11434/v1")
    monkeypatch.setenv("OPENAI_MODEL", "llama")
    assert llm_config() == {"config_list": [{"model": "llama", "base_url": "http://127.0.0.1:11434/v1"}]}


def test_a_file_named_oai_config_list_is_found(tmp_path):
    (tmp_path / "OAI_CONFIG_LIST").write_text(json.dumps(ENTRIES))
    assert llm_config() == {"config_list": ENTRIES}


def test_a_list_that_is_broken_is_not_replaced_by_the_demo(monkeypatch):
    monkeypatch.setenv("OAI_CONFIG_LIST", "/no/such/file.json")
    with pytest.raises(ConfigError, match="OAI_CONFIG_LIST"):
        llm_config()
    assert not uses_demo()


def test_a_source_that_raises_is_not_replaced_by_the_demo():
    def broken():
        raise ConfigError("AGENTCHAT['LLM'] must be a list")

    set_source(broken)
    with pytest.raises(ConfigError, match="must be a list"):
        llm_config()
    assert not uses_demo()


def test_more_settings_may_be_given(monkeypatch):
    assert llm_config(temperature=0, model="other") == {
        "config_list": [{"model": "demo", "api_type": "demo"}],
        "temperature": 0,
    }
    monkeypatch.setenv("OAI_CONFIG_LIST", json.dumps(ENTRIES))
    assert [entry["model"] for entry in llm_config(model="other")["config_list"]] == ["other", "other"]


def test_changing_what_was_returned_changes_nothing_else():
    llm_config()["config_list"][0]["model"] = "changed"
    assert llm_config()["config_list"][0]["model"] == "demo"


def test_the_choice_is_logged_once_and_the_key_is_masked(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("OAI_CONFIG_LIST", json.dumps(ENTRIES))
    llm_config()
    llm_config()
    assert len(caplog.records) == 1
    assert caplog.messages == [
        "Models from OAI_CONFIG_LIST: model 'large' at api.openai.com (key sk-…6789),"
        " model 'small' at 127.0.0.1:1 (key sk-…6789)"
    ]


def test_the_demo_is_announced_as_a_warning(caplog):
    llm_config()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "OPENAI_API_KEY" in caplog.text
