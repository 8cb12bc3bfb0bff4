"""agentchat: write a plain function, and people chat with it in the browser.

These are the public names; `__all__` is the API. Each is imported when it is first asked for: `import agentchat` costs
nothing, and a console program never loads Django.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentchat.agents import Agent as Agent
    from agentchat.agents import AssistantAgent as AssistantAgent
    from agentchat.agents import ChatResult as ChatResult
    from agentchat.agents import ConversableAgent as ConversableAgent
    from agentchat.agents import UserProxyAgent as UserProxyAgent
    from agentchat.agents import register_function as register_function
    from agentchat.errors import AgentChatError as AgentChatError
    from agentchat.errors import ConfigError as ConfigError
    from agentchat.errors import LLMError as LLMError
    from agentchat.errors import ToolError as ToolError
    from agentchat.io import InputStream as InputStream
    from agentchat.io import IOConsole as IOConsole
    from agentchat.io import IOStream as IOStream
    from agentchat.io import OutputStream as OutputStream
    from agentchat.llm.config import config_list_from_json as config_list_from_json
    from agentchat.llm.config import llm_config as llm_config
    from agentchat.registry import on_connect as on_connect

_HOMES = {
    "Agent": "agentchat.agents",
    "AgentChatError": "agentchat.errors",
    "AssistantAgent": "agentchat.agents",
    "ChatResult": "agentchat.agents",
    "ConfigError": "agentchat.errors",
    "ConversableAgent": "agentchat.agents",
    "IOConsole": "agentchat.io",
    "IOStream": "agentchat.io",
    "InputStream": "agentchat.io",
    "LLMError": "agentchat.errors",
    "OutputStream": "agentchat.io",
    "ToolError": "agentchat.errors",
    "UserProxyAgent": "agentchat.agents",
    "config_list_from_json": "agentchat.llm.config",
    "llm_config": "agentchat.llm.config",
    "on_connect": "agentchat.registry",
    "register_function": "agentchat.agents",
}

__all__ = [
    "Agent",
    "AgentChatError",
    "AssistantAgent",
    "ChatResult",
    "ConfigError",
    "ConversableAgent",
    "IOConsole",
    "IOStream",
    "InputStream",
    "LLMError",
    "OutputStream",
    "ToolError",
    "UserProxyAgent",
    "config_list_from_json",
    "llm_config",
    "on_connect",
    "register_function",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
