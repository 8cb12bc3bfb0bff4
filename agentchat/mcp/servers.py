"""Which MCP servers there are: those of the setting `MCP_SERVERS`, and addresses that stand in agents' code.

A command comes from the setting alone. Nothing here comes from a client or a model.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from agentchat.core.secrets import note_secret, note_url
from agentchat.errors import ConfigError

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,31}")
_KEYS = {"url": {"url", "headers"}, "command": {"command", "env", "cwd"}}


@dataclass(frozen=True, kw_only=True)
class McpServer:
    """A server, by its address (Streamable HTTP) or its command (stdio).

    `key` is what it is known by, without anything secret. `prefix` begins the names of its tools.
    """

    key: str
    prefix: str
    url: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: tuple[str, ...] = field(default=(), repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    cwd: str | None = None


def _none() -> Mapping[str, McpServer]:
    return {}


configured: Callable[[], Mapping[str, McpServer]] = _none
"""The servers of the setting, by their names. A seam: Django's settings replace this function."""


def mcp_servers(value: Any) -> dict[str, McpServer]:
    """The value of `MCP_SERVERS`. Raise ValueError if it is not valid."""
    if not isinstance(value, Mapping):
        raise ValueError
    return {name: _server(name, entry) for name, entry in value.items()}


def _server(name: Any, entry: Any) -> McpServer:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(entry, Mapping):
        raise ValueError
    kind = "url" if "url" in entry else "command"
    if kind not in entry or set(entry) - _KEYS[kind]:
        raise ValueError
    if kind == "url":
        return McpServer(key=name, prefix=name, url=_address(entry["url"]), headers=_texts(entry.get("headers", {})))
    command, cwd = entry["command"], entry.get("cwd")
    if not isinstance(command, list | tuple) or not command or not all(isinstance(part, str) for part in command):
        raise ValueError
    if not command[0] or not isinstance(cwd, str | None):
        raise ValueError
    return McpServer(key=name, prefix=name, command=tuple(command), env=_texts(entry.get("env", {})), cwd=cwd)


def _texts(value: Any) -> dict[str, str]:
    is_mapping = isinstance(value, Mapping)
    if not is_mapping or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise ValueError
    return dict(value)


def _address(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 400:
        raise ValueError
    parts = urlsplit(value)  # raises ValueError for half an IPv6 address, too
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise ValueError
    return value


def server_of(name_or_url: str) -> McpServer:
    """The server of a name in `MCP_SERVERS`, or of an address. Raise ConfigError if it is neither."""
    if isinstance(name_or_url, str) and "://" in name_or_url:
        try:
            url = _address(name_or_url)
        except ValueError:
            raise ConfigError(
                "mcp_tools() was called with an address that is none of a server: use one that begins with https://, "
                "or the name of a server in MCP_SERVERS"
            ) from None
        parts = urlsplit(url)
        note_url(url)
        host = parts.netloc.rpartition("@")[2]
        prefix = re.sub(r"[^a-zA-Z0-9]+", "_", parts.hostname or "").strip("_")[:32]
        return McpServer(key=f"{parts.scheme}://{host}{parts.path}", prefix=prefix, url=url)
    known = configured()
    if name_or_url not in known:
        names = ", ".join(map(repr, known)) or "none"
        raise ConfigError(
            f"mcp_tools({name_or_url!r}): there is no MCP server of this name; MCP_SERVERS has {names}. An address "
            f"begins with https://, and a command is possible in MCP_SERVERS alone"
        )
    server = known[name_or_url]
    note_secrets(server)
    return server


def note_secrets(server: McpServer) -> None:
    """What the server is sent in headers, or given in its environment, stands in no log and no journal."""
    note_url(server.url, lasting=True)
    for value in server.headers.values():
        note_secret(value, lasting=True, hidden=True)
        note_secret(value.rpartition(" ")[2], lasting=True, hidden=True)  # without "Bearer"
    for name, value in server.env.items():
        if re.search(r"PASSWORD|SECRET|TOKEN|KEY", name, re.IGNORECASE):
            note_secret(value, lasting=True, hidden=True)
