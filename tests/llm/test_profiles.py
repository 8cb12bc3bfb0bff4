"""Which form a request has: by address and model, by name, or as the service was found to accept it."""

import logging
import re

import pytest

from agentchat.errors import ConfigError, LLMContextTooLong, LLMRefused
from agentchat.llm.profiles import PROFILES, profile_for
from agentchat.testing import ScriptedLLM, fail, raw, say
from tests.llm import services
from tests.llm.chunks import event
from tests.llm.services import EVERYONE, SERVICES, refusing
from tests.llm.test_history import CONVERSATIONS, TOOL


@pytest.mark.parametrize(
    ("base_url", "model", "name"),
    [
        ("https://api.openai.com/v1", "gpt-5.4", "openai"),
        ("https://eu.api.openai.com/v1", "gpt-5.4", "openai"),
        ("https://mine.openai.azure.com", "mistral-large", "azure"),
        ("https://mine.services.ai.azure.com/models", "gpt-5.4", "azure"),
        ("https://api.mistral.ai/v1", "mistral-large-latest", "mistral"),
        ("https://codestral.mistral.ai/v1", "codestral-latest", "mistral"),
        ("https://api.deepseek.com", "deepseek-v4-pro", "deepseek"),
        ("https://api.moonshot.cn/v1", "kimi-k2.6", "kimi"),
        ("https://api.moonshot.ai/v1", "kimi-k3", "kimi"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini-2.5-flash", "gemini"),
        ("https://europe-west1-aiplatform.googleapis.com/v1beta1/x", "google/gemini-3-pro", "gemini"),
        ("https://api.groq.com/openai/v1", "moonshotai/kimi-k2-instruct", "groq"),
        ("https://api.cerebras.ai/v1", "gpt-oss-120b", "cerebras"),
        ("https://api.anthropic.com/v1/", "claude-opus-4-6", "anthropic"),
        ("https://openrouter.ai/api/v1", "openai/gpt-5.4", "openrouter"),
        ("http://localhost:11434/v1", "llama3.2", "ollama"),
        ("http://ollama:8000/v1", "llama3.2", "ollama"),
        ("http://127.0.0.1:8000/v1", "meta-llama/Llama-3.1-8B", "vllm"),
        ("http://vllm.internal/v1", "x", "vllm"),
        ("http://localhost:8080/v1", "x", "llama.cpp"),
        ("http://llama-cpp:9000/v1", "x", "llama.cpp"),
        ("http://[::1]:1234/v1", "x", "llama.cpp"),
        ("https://llm.example.com:8000/v1", "x", "generic"),
        ("https://notopenai.com.example.com/v1", "x", "generic"),
        ("http://127.0.0.1:34567/v1", "x", "generic"),
    ],
)
def test_a_profile_is_chosen_by_the_address(base_url, model, name):
    api_type = "azure" if name == "azure" else "openai"
    assert profile_for(api_type=api_type, base_url=base_url, model=model).name == name


@pytest.mark.parametrize(
    ("base_url", "model", "needs"),
    [
        ("https://openrouter.ai/api/v1", "mistralai/mistral-large", {"answer_after_tool": True, "names": "none"}),
        ("http://localhost:11434/v1", "ministral-3:8b", {"alternating": True}),
        ("http://gateway.example.com/v1", "Qwen/Qwen3.6-27B", {"system": "first"}),
        ("http://gateway.example.com/v1", "google/gemini-2.5-pro", {"named_results": True, "alternating": True}),
        ("https://openrouter.ai/api/v1", "anthropic/claude-opus-4.6", {"user_last": True}),
        ("http://gateway.example.com/v1", "kimi-k2.6", {"reasoning": "everywhere"}),
        ("http://gateway.example.com/v1", "deepseek-v4-flash", {"reasoning": "required"}),
        ("https://api.groq.com/openai/v1", "deepseek-r1-distill", {"reasoning": "none"}),
    ],
)
def test_what_a_model_needs_is_added_where_many_are_served(base_url, model, needs):
    profile = profile_for(api_type="openai", base_url=base_url, model=model)
    assert {name: getattr(profile, name) for name in needs} == needs


def test_an_entry_may_name_its_profile(scripted_llm, ask):
    scripted_llm.always(refusing(*EVERYONE, *SERVICES["mistral"]))
    ask(scripted_llm.llm_config(profile="mistral"), {"role": "user", "name": "Ann", "content": "Hello"})
    assert "name" not in scripted_llm.requests[0]["messages"][0]
    assert "profile" not in scripted_llm.requests[0]


@pytest.mark.parametrize("profile", ["mistrall", "", 5, ["openai"]])
def test_a_profile_that_is_none_is_named(profile, scripted_llm, ask):
    with pytest.raises(ConfigError, match=r"there is no profile .*; use one of openai, azure, mistral"):
        ask(scripted_llm.llm_config(profile=profile))
    assert PROFILES


# --- a service that nobody knows --------------------------------------------------------------------------------------

HARD = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hello", "name": "Ann"},
    {"role": "user", "content": "there", "name": "Bob"},
    *CONVERSATIONS["the user after a tool"][1:],
    {"role": "assistant", "content": ""},
    {"role": "system", "content": "Be brief."},
    *CONVERSATIONS["reasoning"],
    *CONVERSATIONS["older functions"][1:4],
]


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "gemini"])
@pytest.mark.parametrize("status", [400, 422])
def test_a_service_that_refuses_a_form_gets_a_simpler_one(service, status, scripted_llm, ask, caplog):
    scripted_llm.always(refusing(*EVERYONE, *SERVICES[service], status=status))
    assert ask(scripted_llm.llm_config(max_retries=0), messages=HARD, tools=[TOOL]).content == "ok"
    asked = len(scripted_llm.requests)
    assert asked <= 3
    ask(scripted_llm.llm_config(max_retries=0), messages=HARD, tools=[TOOL])
    assert len(scripted_llm.requests) == asked + 1  # it is not refused again
    assert asked == 1 or "simpler form was accepted" in caplog.text


@pytest.mark.parametrize(
    "rule", ["names", "late_system_messages", "user_after_tool", "roles_in_a_row", "empty_answers"]
)
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (500, "Jinja Exception: Conversation roles must alternate user/assistant/user/assistant/..."),
        (404, "System message must be at the beginning."),
        (500, "Failed to parse tool call arguments as JSON"),
    ],
)
def test_a_template_s_refusal_is_one_whatever_its_status(rule, status, words, scripted_llm, ask):
    refuses = getattr(services, rule)
    scripted_llm.always(lambda request: fail(status, words) if refuses(request) else say("ok"))
    assert ask(scripted_llm.llm_config(max_retries=0), messages=HARD, tools=[TOOL]).content == "ok"


def test_a_refusal_within_the_stream_is_one_too(scripted_llm, ask):
    refusal = raw(event({"error": {"message": "messages.1.name: Extra inputs are not permitted", "code": 400}}))
    scripted_llm.always(lambda request: refusal if services.names(request) else say("ok"))
    assert ask(scripted_llm.llm_config(max_retries=0), messages=HARD, tools=[TOOL]).content == "ok"


def test_a_service_that_refuses_every_form_is_asked_for_each_once(scripted_llm, ask):
    scripted_llm.always(lambda request: fail(400, f"messages are not supported {len(scripted_llm.requests)}"))
    with pytest.raises(LLMRefused, match="not supported 1"):
        ask(scripted_llm.llm_config(), messages=HARD, tools=[TOOL])
    sent = [request["messages"] for request in scripted_llm.requests]
    assert len(sent) == 3
    assert all(one != other for place, one in enumerate(sent) for other in sent[:place])


def test_a_request_that_has_no_simpler_form_is_not_sent_again(scripted_llm, ask):
    scripted_llm.always(fail(400, "invalid messages"))
    with pytest.raises(LLMRefused):
        ask(scripted_llm.llm_config())
    assert len(scripted_llm.requests) == 1


def test_a_refusal_of_something_else_is_final(scripted_llm, ask):
    scripted_llm.always(fail(400, "temperature must be between 0 and 2"))
    with pytest.raises(LLMRefused, match="temperature"):
        ask(scripted_llm.llm_config(), messages=HARD, tools=[TOOL])
    assert len(scripted_llm.requests) == 1


def test_the_next_entry_answers_after_every_form(scripted_llm, ask):
    with ScriptedLLM() as other:
        scripted_llm.always(fail(400, "invalid messages"))
        other.replies(say("Hi"))
        config = {"config_list": scripted_llm.config_list + other.config_list}
        assert ask(config, messages=HARD, tools=[TOOL]).content == "Hi"
        assert any("name" in message for message in other.requests[0]["messages"])


def test_what_is_refused_for_its_length_is_not_sent_again(scripted_llm, ask):
    scripted_llm.always(fail(400, "maximum context length is 8192 tokens", code="context_length_exceeded"))
    with pytest.raises(LLMContextTooLong):
        ask(scripted_llm.llm_config(), messages=HARD, tools=[TOOL])
    assert len(scripted_llm.requests) == 1


def test_a_simpler_form_has_all_its_retries(scripted_llm, ask):
    answers = [fail(503), fail(503), say("ok")]
    scripted_llm.always(
        lambda request: fail(400, services.names(request) or "") if services.names(request) else answers.pop(0)
    )
    assert ask(scripted_llm.llm_config(max_retries=2), messages=HARD, tools=[TOOL]).content == "ok"


def test_groq_s_failed_tool_use_is_asked_again(scripted_llm, ask):
    scripted_llm.replies(
        fail(400, "Failed to call a function. See 'failed_generation'", code="tool_use_failed"), say("ok")
    )
    assert ask(scripted_llm.llm_config()).content == "ok"


def test_what_is_logged_of_a_refusal_names_the_model(scripted_llm, ask, caplog):
    caplog.set_level(logging.INFO)
    scripted_llm.always(refusing(services.names))
    ask(scripted_llm.llm_config(), messages=HARD, tools=[TOOL])
    assert re.search(r"model 'scripted' at 127.0.0.1:\d+ .*Extra inputs are not permitted", caplog.text)
