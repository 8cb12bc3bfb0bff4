"""Imports of AutoGen 0.2 after `sed 's/autogen/agentchat/'`: they work, or say what to do."""

import importlib
import inspect
import subprocess
import sys

import pytest

import agentchat
from agentchat import errors
from agentchat.core.classic_imports import _ABSENT, _LEADING


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("agentchat.agentchat", ["Agent", "AssistantAgent", "ChatResult", "initiate_chats", "register_function"]),
        ("agentchat.agentchat.groupchat", ["GroupChat", "GroupChatManager"]),
        ("agentchat.agentchat.conversable_agent", ["ConversableAgent", "register_function"]),
        ("agentchat.agentchat.user_proxy_agent", ["UserProxyAgent"]),
        ("agentchat.agentchat.assistant_agent", ["AssistantAgent"]),
        ("agentchat.agentchat.chat", ["ChatResult", "a_initiate_chats"]),
        ("agentchat.agentchat.utils", ["gather_usage_summary"]),
        ("agentchat.cache.cache", ["Cache"]),
        ("agentchat.oai", ["ModelClient", "OpenAIWrapper", "config_list_from_json", "filter_config"]),
        ("agentchat.oai.client", ["ModelClient", "OpenAIWrapper"]),
        ("agentchat.oai.openai_utils", ["config_list_from_json"]),
    ],
)
def test_a_path_leads_to_the_public_names(module, names):
    found = importlib.import_module(module)
    assert [getattr(found, name) for name in names] == [getattr(agentchat, name) for name in names]


@pytest.mark.parametrize("module", _LEADING)
def test_a_star_import_has_the_public_names(module):
    names = {}
    exec(f"from agentchat.{module} import *", names)
    assert set(agentchat.__all__) <= set(names)


@pytest.mark.parametrize("name", ["AgentNameConflict", "InvalidCarryOverType", "NoEligibleSpeaker", "SenderRequired"])
def test_exceptions_are_found_at_both_places(name):
    assert getattr(importlib.import_module("agentchat.exception_utils"), name) is getattr(errors, name)
    assert getattr(agentchat, name) is getattr(errors, name)


def test_submodules_are_attributes_without_an_import_of_their_own():
    script = (
        "import agentchat as a; a.agentchat.GroupChat, a.oai.OpenAIWrapper, a.io.IOStream, a.cache.Cache; print('ok')"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "ok", done.stderr


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("from agentchat.coding import LocalCommandLineCodeExecutor", "'coding'.*as tools"),
        ("from agentchat.coding.jupyter import LocalJupyterServer", "as tools"),
        ("from agentchat.agentchat.contrib.gpt_assistant_agent import GPTAssistantAgent", "'agentchat.contrib'"),
        ("import agentchat.runtime_logging", "Django admin"),
        ("from agentchat.cache.redis_cache import RedisCache", "Cache.redis"),
        ("from agentchat.oai.anthropic import AnthropicClient", "base_url"),
        ("from agentchat import config_list_from_dotenv", "config_list_from_json"),
        ("from agentchat.oai import config_list_from_models", "config_list_from_json"),
        ("from agentchat.agentchat.groupchat import SELECT_SPEAKER_PROMPT_TEMPLATE", "SELECT_SPEAKER_PROMPT_TEMPLATE"),
        *((f"import agentchat.{module}.something", "docs/migrating.md") for module in _ABSENT),
    ],
)
def test_what_is_not_here_says_what_to_do(line, says):
    with pytest.raises(ImportError, match=says) as raised:
        exec(line, {})
    assert "unlike AutoGen 0.2" in str(raised.value)


def test_what_is_in_neither_is_missing_as_usual():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'agentchat\.nonsense'"):
        importlib.import_module("agentchat.nonsense")
    with pytest.raises(ImportError, match="cannot import name 'nonsense'"):
        exec("from agentchat import nonsense", {})
    assert importlib.util.find_spec("agentchat.nonsense") is None
    assert not hasattr(importlib.import_module("agentchat.oai"), "__file__")
    assert inspect.getmodule(test_exceptions_are_found_at_both_places).__name__ == __name__
