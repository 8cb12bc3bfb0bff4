"""agentchat: write a plain function, and people chat with it in the browser.

These are the public names; `__all__` is the API. Each is imported when it is first asked for: `import agentchat` costs
nothing, and a console program never loads Django.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentchat.agents import Agent as Agent
    from agentchat.agents import AssistantAgent as AssistantAgent
    from agentchat.agents import ChatResult as ChatResult
    from agentchat.agents import ConversableAgent as ConversableAgent
    from agentchat.agents import GroupChat as GroupChat
    from agentchat.agents import GroupChatManager as GroupChatManager
    from agentchat.agents import OpenAIWrapper as OpenAIWrapper
    from agentchat.agents import UserProxyAgent as UserProxyAgent
    from agentchat.agents import a_initiate_chats as a_initiate_chats
    from agentchat.agents import gather_usage_summary as gather_usage_summary
    from agentchat.agents import initiate_chats as initiate_chats
    from agentchat.agents import register_function as register_function
    from agentchat.agents.reply import reply as reply
    from agentchat.cache import Cache as Cache
    from agentchat.core.addressees import group as group
    from agentchat.core.addressees import owner as owner
    from agentchat.core.addressees import staff as staff
    from agentchat.core.current_call import current_call as current_call
    from agentchat.core.files import File as File
    from agentchat.core.registry import on_connect as on_connect
    from agentchat.errors import AgentChatError as AgentChatError
    from agentchat.errors import ConfigError as ConfigError
    from agentchat.errors import InputExpired as InputExpired
    from agentchat.errors import LLMError as LLMError
    from agentchat.errors import ToolError as ToolError
    from agentchat.io import InputStream as InputStream
    from agentchat.io import IOConsole as IOConsole
    from agentchat.io import IOStream as IOStream
    from agentchat.io import OutputStream as OutputStream
    from agentchat.io.websockets import IOWebsockets as IOWebsockets
    from agentchat.llm.config import config_list_from_json as config_list_from_json
    from agentchat.llm.config import filter_config as filter_config
    from agentchat.llm.config import llm_config as llm_config
    from agentchat.llm.model_client import ModelClient as ModelClient
    from agentchat.mcp.tools import mcp_tools as mcp_tools

_HOMES = {
    "Agent": "agentchat.agents",
    "AgentChatError": "agentchat.errors",
    "AssistantAgent": "agentchat.agents",
    "Cache": "agentchat.cache",
    "ChatResult": "agentchat.agents",
    "ConfigError": "agentchat.errors",
    "ConversableAgent": "agentchat.agents",
    "File": "agentchat.core.files",
    "GroupChat": "agentchat.agents",
    "GroupChatManager": "agentchat.agents",
    "IOConsole": "agentchat.io",
    "IOStream": "agentchat.io",
    "IOWebsockets": "agentchat.io.websockets",
    "InputExpired": "agentchat.errors",
    "InputStream": "agentchat.io",
    "LLMError": "agentchat.errors",
    "ModelClient": "agentchat.llm.model_client",
    "OpenAIWrapper": "agentchat.agents",
    "OutputStream": "agentchat.io",
    "ToolError": "agentchat.errors",
    "UserProxyAgent": "agentchat.agents",
    "a_initiate_chats": "agentchat.agents",
    "config_list_from_json": "agentchat.llm.config",
    "current_call": "agentchat.core.current_call",
    "filter_config": "agentchat.llm.config",
    "gather_usage_summary": "agentchat.agents",
    "group": "agentchat.core.addressees",
    "initiate_chats": "agentchat.agents",
    "llm_config": "agentchat.llm.config",
    "mcp_tools": "agentchat.mcp.tools",
    "on_connect": "agentchat.core.registry",
    "owner": "agentchat.core.addressees",
    "register_function": "agentchat.agents",
    "reply": "agentchat.agents.reply",
    "staff": "agentchat.core.addressees",
}

__version__ = "0.1.0"

__all__ = [
    "Agent",
    "AgentChatError",
    "AssistantAgent",
    "Cache",
    "ChatResult",
    "ConfigError",
    "ConversableAgent",
    "File",
    "GroupChat",
    "GroupChatManager",
    "IOConsole",
    "IOStream",
    "IOWebsockets",
    "InputExpired",
    "InputStream",
    "LLMError",
    "ModelClient",
    "OpenAIWrapper",
    "OutputStream",
    "ToolError",
    "UserProxyAgent",
    "a_initiate_chats",
    "config_list_from_json",
    "current_call",
    "filter_config",
    "gather_usage_summary",
    "group",
    "initiate_chats",
    "llm_config",
    "mcp_tools",
    "on_connect",
    "owner",
    "register_function",
    "reply",
    "staff",
]


class _ClassicImports:
    """The last finder of all: it is asked for modules that are not there."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> Any:
        if not name.startswith("agentchat."):
            return None
        return import_module("agentchat.core.classic_imports").find_spec(name)


sys.meta_path.append(_ClassicImports)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name not in _HOMES:
        return import_module("agentchat.core.classic_imports").find_name(name)
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
