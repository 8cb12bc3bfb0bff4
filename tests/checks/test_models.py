"""System checks of the config list."""

import pytest
from openai.types.chat import completion_create_params

from agentchat.checks.models import check_models
from agentchat.llm.config_entries import unknown_keys

KEY = "sk-0123456789abcdef"


@pytest.fixture
def found(settings):
    """What the check says of a config list, by id."""

    def found(*entries, **more):
        settings.AGENTCHAT = {"LLM": [{"model": "gpt-4o", "api_key": KEY, **entry} for entry in entries], **more}
        messages = check_models()
        assert KEY not in str(messages)
        return [(message.id, message.msg, message.hint) for message in messages]

    return found


def test_a_config_list_that_can_be_used_is_no_matter(found):
    assert found({"temperature": 0, "extra_body": {"top_k": 1}, "price": [1, 2], "tags": ["a"]}) == []


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("api_base", "base_url"),
        ("request_timeout", "timeout"),
        ("engine", "model"),
        ("deployment_id", "azure_deployment"),
        ("temprature", "temperature"),
        ("max_token", "max_tokens"),
    ],
)
def test_an_unknown_key_is_named_with_the_one_that_is_probably_meant(found, key, meant):
    [(id_, text, hint)] = found({key: "x"})
    assert id_ == "agentchat.W012"
    assert f"'gpt-4o' has the key {key!r}" in text
    assert f"Did you mean {meant!r}?" in hint


def test_a_key_of_one_service_is_named_without_a_guess(found):
    [(_, text, hint)] = found({"mirostat": 1})
    assert "'mirostat'" in text
    assert "Did you mean" not in hint
    assert "'extra_body'" in hint


@pytest.mark.parametrize("entry", [{"api_type": "anthropic"}, {"timeout": "soon"}, {"base_url": "nowhere"}])
def test_a_config_list_that_cannot_be_used_is_a_warning(found, entry):
    [(id_, text, _)] = found(entry)
    assert (id_, text.startswith("no model can be asked: model 'gpt-4o'")) == ("agentchat.W011", True)


def test_a_limit_on_cost_needs_prices(found):
    local = {"model": "mine", "base_url": "http://127.0.0.1:1/v1"}
    assert found(local) == []
    [(id_, text, hint)] = found({}, local, {**local, "price": 0}, MAX_RUN_COST=1.0, FALLBACK_PRICE=[0.1, 0.2])
    assert id_ == "agentchat.W013"
    assert "model 'mine' at 127.0.0.1:1 has no price" in text
    assert "[0.1, 0.2]" in text
    assert "'price'" in hint


def test_every_parameter_of_the_api_is_known():
    streaming = completion_create_params.CompletionCreateParamsStreaming
    parameters = streaming.__annotations__ | completion_create_params.CompletionCreateParamsBase.__annotations__
    assert unknown_keys(dict.fromkeys(parameters)) == {}


def test_a_custom_client_has_keys_of_its_own():
    assert unknown_keys({"model": "m", "model_client_cls": "Mine", "device": "cpu"}) == {}
