"""`mcp_tools()`: the tools of an MCP server, for an agent."""

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field

from agentchat.core.addressees import staff
from agentchat.core.async_bridge import bridge_of
from agentchat.core.execution_scope import at_end, current_scope
from agentchat.errors import ConfigError, ToolError
from agentchat.events import Visibility
from agentchat.io.base import IOStream
from agentchat.mcp import definitions
from agentchat.mcp.connection import OPEN_SECONDS, McpConnection, check_installed
from agentchat.mcp.definitions import Definition
from agentchat.mcp.results import returned_value
from agentchat.mcp.servers import server_of
from agentchat.tools.json_arguments import JsonArguments
from agentchat.tools.schema import NeedsApproval, Tool, as_function


class _Changes(BaseModel):
    accept: bool = Field(title="Use the tools as they are now", default=False)


def mcp_tools(
    server: str,
    *,
    allow: Iterable[str] | None = None,
    prefix: str | None = None,
    approval: NeedsApproval | None = None,
    visible: Visibility | None = None,
    timeout: float | None = None,
) -> list[Callable[..., Any]]:
    """The tools of an MCP server, for `reply(…, tools=…)`, `agent.generate(…, tools=…)` and `register_function`.

    `server` is an address (Streamable HTTP), or the name of one in the setting `MCP_SERVERS`, which may also be a
    command. `allow`: the server's own names of the tools that are wanted; None for all. Models know them with the
    `prefix` and "_" before them: by default the server's name, or its host.

    `approval`: as in `register_function`; by default the user approves each call, unless the server says that the tool
    only reads. `visible` and `timeout` as there: the server has no say in them.

    Call it in the agent function: it is a step, whose result is the list. The connection is opened when it is needed,
    and closed when the function returns or waits. Where the server has said something else of an allowed tool before,
    to any agent of the site, staff are asked first, and this waits. Blocks. Raise ConfigError for a server or a tool
    that does not exist, or if staff refuse; ToolError or, in a run, StepFailed, if the server cannot be asked.
    """
    check_installed()
    wanted = None if allow is None else list(allow)
    stream, known = IOStream.get_default(), server_of(server)
    connection = McpConnection(known)
    at_end(connection.close)
    offered = _offered(stream, connection, wanted)
    names = definitions.model_names(known.prefix if prefix is None else prefix, offered)
    scope = current_scope()
    made = []
    for name, model_name in names.items():
        definition = offered[name]
        wants_approval = not definition["readOnly"] if approval is None else approval
        tool = Tool(
            function=functools.partial(_call, connection, scope, name),
            name=model_name,
            description=definition["description"],
            parameters=_parameters(name, json.dumps(definition["schema"])),
            retry_safe=definition["readOnly"],
            timeout=timeout,
            approval=wants_approval,
            visible="all" if visible is None and wants_approval else visible,
        )
        made.append(as_function(tool))
    return made


@functools.lru_cache(maxsize=512)
def _parameters(name: str, schema: str) -> JsonArguments:
    """Checking a schema takes milliseconds, and each execution of a run needs it again."""
    try:
        return JsonArguments(json.loads(schema))
    except ToolError as error:
        raise ToolError(f"MCP tool {name!r} cannot be used ({error}): leave it out of allow=") from error


async def _call(connection: McpConnection, scope: object, name: str, /, **arguments: Any) -> Any:
    if current_scope() is not scope:
        raise ToolError(
            "mcp_tools() was called outside of this run, and its connection is not this run's: call it in the agent "
            "function"
        )
    return returned_value(await connection.call(name, arguments))


def _offered(stream: IOStream, connection: McpConnection, wanted: list[str] | None) -> Mapping[str, Definition]:
    """What the server says of the tools that are wanted, as this run has seen it first. Raise ConfigError for one that
    does not exist, and for changes that staff refuse."""
    key = connection.server.key

    def ask_server() -> dict[str, Any]:
        tools = bridge_of(stream).run(connection.offered, timeout=2 * OPEN_SECONDS, tool=f"MCP {key}")
        offered = definitions.definitions_of(connection.server, tools)
        before = definitions.pinned(key, offered)
        now = {name: offered[name] for name in (offered if wanted is None else wanted) if name in offered}
        changed = {name: before.get(name) for name in now if now[name] != before.get(name)}
        return {"tools": now, "changed": changed, "offered": list(offered)}

    listed: dict[str, Any] = stream.step(f"MCP tools of {key}", ask_server)
    now: dict[str, Definition] = listed["tools"]
    for name in wanted or ():
        if name not in now:
            others = ", ".join(map(repr, listed["offered"]))[:1000] or "none"
            raise ConfigError(f"mcp_tools({key!r}, allow=…): the server has no tool {name!r}; it offers {others}")
    if changed := listed["changed"]:
        text = definitions.changes_text(key, changed, now)
        if not stream.ask(text, _Changes, to=staff(), name=f"MCP {key}").accept:
            raise ConfigError(
                f"the MCP server {key!r} has changed what it says of {', '.join(map(repr, changed))}, and staff have "
                f"not accepted it"
            )
        stream.step(f"MCP tools of {key} accepted", lambda: definitions.accept(key, {n: now[n] for n in changed}))
    return now
