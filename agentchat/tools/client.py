"""A tool that the client of a chat offers and runs: the model calls it, and the client is asked for the result.

What it says of itself is the client's, so the model is told whose words these are. Nothing else follows from them: its
calls are always shown, need no approval, and never reach a function of the site.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from agentchat.errors import ConfigError
from agentchat.tools.json_arguments import JsonArguments
from agentchat.tools.schema import Tool

CLIENT_QUESTION = "client_tool"
"""The name of the question, together with the id of the call."""

_MARK = "(The client, not the site, offers this tool and describes it.)"


class ClientResult(BaseModel):
    """What the client has made of a call."""

    result: str


@dataclass(frozen=True, kw_only=True)
class ClientTool(Tool):
    """The tool, as `agentchat.tools.execution` knows it from those that it runs."""

    @classmethod
    def of(cls, offered: Mapping[str, Any]) -> "ClientTool":
        """The tool with this name, description and schema of its `parameters`. Raise ToolError for an invalid one."""
        return cls(
            function=_runs_elsewhere,
            name=offered["name"],
            description=f"{_MARK} {offered['description']}".strip(),
            parameters=_parameters(json.dumps(offered["parameters"])),
            visible="all",
        )

    @property
    def prompt(self) -> str:
        """What a person reads who sees the question: the same each time."""
        return f"The frontend that offers {self.name} runs it. What is the result?"


@functools.lru_cache(maxsize=128)
def _parameters(schema: str) -> JsonArguments:
    """Checking a schema takes milliseconds, and each execution of a run needs it again."""
    return JsonArguments(json.loads(schema))


def _runs_elsewhere(**arguments: Any) -> str:
    raise ConfigError("a client tool is called by the model in reply(iostream, agent, iostream.client_tools) alone")
