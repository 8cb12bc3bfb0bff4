"""Where imports of AutoGen 0.2 lead once `autogen` has become `agentchat` in them.

Modules whose classes are here lead to the public names of `agentchat`. For those that are not here, and for names that
nothing here has, the ImportError says what to do instead. No file is kept for any of them: `agentchat` asks `find_spec`
when no other finder knows a module.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_NO_CODE = "code that a model writes is not run here. Register the functions that it needs as tools"
_SERVICES = "use the service's OpenAI-compatible address, as 'base_url' in the config list, or a custom model client"
_SCHEMAS = "schemas are made from the annotations of a function by register_function()"
_WRITE_LIST = "write the config list in a file or an environment variable, for config_list_from_json()"
_OWN_AGENTS = "make such an agent of a ConversableAgent with tools or reply functions of your own"

_LEADING = (
    *("agentchat", "agentchat.agent", "agentchat.assistant_agent", "agentchat.chat", "agentchat.conversable_agent"),
    *("agentchat.groupchat", "agentchat.user_proxy_agent", "agentchat.utils", "exception_utils"),
    *("oai", "oai.client", "oai.openai_utils", "cache.cache"),
)
_PACKAGES = ("cache", "io")  # which are ours
_EXCEPTIONS = ("AgentNameConflict", "InvalidCarryOverType", "NoEligibleSpeaker", "SenderRequired", "UndefinedNextAgent")

_ABSENT: Mapping[str, str] = {
    "agentchat.contrib": _OWN_AGENTS,
    "browser_utils": "give an agent a tool that reads pages",
    "cache": "Cache.disk, Cache.memory and Cache.redis are in agentchat.cache",
    "code_utils": _NO_CODE,
    "coding": _NO_CODE,
    "extensions": _OWN_AGENTS,
    "formatting_utils": "the streams print without colours; termcolor has colored()",
    "function_utils": _SCHEMAS,
    "graph_utils": "GroupChat itself checks its transitions",
    "logger": "each step and its usage is in Django admin, and logging has the rest",
    "math_utils": _OWN_AGENTS,
    "oai": _SERVICES,
    "retrieve_utils": "give an agent a tool that searches",
    "runtime_logging": "each step and its usage is in Django admin, and logging has the rest",
    "token_count_utils": "ChatResult.cost and get_total_usage() have the counts that the service reports",
    "types": "messages are dicts in the shape of OpenAI's chat completions",
}

_ABSENT_NAMES: Mapping[str, str] = {
    "ChatCompletion": "use OpenAIWrapper",
    "Completion": "use OpenAIWrapper",
    "DEFAULT_MODEL": "name the model in the config list",
    "FAST_MODEL": "name the model in the config list",
    "config_list_from_dotenv": _WRITE_LIST,
    "config_list_from_models": _WRITE_LIST,
    "config_list_gpt4_gpt35": _WRITE_LIST,
    "config_list_openai_aoai": _WRITE_LIST,
    "get_config_list": _WRITE_LIST,
    "DEFAULT_SUMMARY_METHOD": "the default is 'last_msg'",
    "ModelToolNotSupportedError": "catch LLMRefused, of agentchat.errors",
    "AbstractCache": "Cache.disk, Cache.memory and Cache.redis are in agentchat.cache",
    "LLMAgent": "use Agent",
    "OpenAIClient": "use OpenAIWrapper, or a custom model client",
    "PlaceHolderClient": "use OpenAIWrapper, or a custom model client",
    "ModelClientResponseProtocol": "see agentchat.llm.model_client for what a custom model client returns",
    "consolidate_chat_info": "initiate_chats() takes the queue as it is",
    "colored": "the streams print without colours; termcolor has colored()",
}


def find_spec(name: str) -> ModuleSpec | None:
    """A module of AutoGen 0.2 by its name here; None for any other. Raise ModuleNotFoundError if it leads nowhere."""
    classic = name.removeprefix("agentchat.")
    if classic in _LEADING:
        return ModuleSpec(name, _Loader(), is_package=True)
    parts = classic.split(".")
    for length in range(len(parts), 0, -1):
        if instead := _ABSENT.get(".".join(parts[:length])):
            raise ModuleNotFoundError(_sentence(f"module {classic!r}", instead), name=name)
    return None


def find_name(name: str) -> Any:
    """A name of AutoGen 0.2. Raise ImportError if it is one that leads nowhere, AttributeError if it is none."""
    if name in _EXCEPTIONS:
        return getattr(import_module("agentchat.errors"), name)
    if name in _LEADING or name in _ABSENT or name in _PACKAGES:
        return import_module(f"agentchat.{name}")
    if name in _ABSENT_NAMES:
        raise ImportError(_sentence(repr(name), _ABSENT_NAMES[name]), name="agentchat")
    raise AttributeError(f"module 'agentchat' has no attribute {name!r}")


def _sentence(what: str, instead: str) -> str:
    return f"agentchat has no {what}, unlike AutoGen 0.2: {instead} (docs/migrating.md)"


class _Loader(Loader):
    """Makes modules that have the public names of `agentchat`."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        here = sys.modules["agentchat"]

        def lookup(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            try:
                return getattr(here, name)
            except AttributeError:
                raise ImportError(
                    _sentence(f"{name!r} in {module.__name__!r}", "the public names are in agentchat.__all__"),
                    name=name,
                ) from None

        vars(module).update(__getattr__=lookup, __all__=list(here.__all__))
