"""For all tests: agentchat's own fixtures, and no way out to the network.

The block is an audit hook: it sees every connection and every name that is looked up by this process, in any thread and
on any event loop, however it is made. Processes that a test starts are told loopback addresses only.
"""

import ipaddress
import socket
import sys

pytest_plugins = ["agentchat.testing"]

_ADDRESS_AT = {"socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1, "socket.getaddrinfo": 0}


class NetworkBlocked(RuntimeError):
    """A test wanted to leave this machine. No OSError: nothing that handles failed connections may swallow it."""


def is_local(host: str | bytes | None) -> bool:
    if not host:
        return True  # a wildcard, to listen on
    name = host.decode() if isinstance(host, bytes) else host
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return name == "localhost"
    return address.is_loopback or address.is_unspecified


def block_network(event: str, args: tuple[object, ...]) -> None:
    if event not in _ADDRESS_AT:
        return
    address = args[_ADDRESS_AT[event]]
    if event != "socket.getaddrinfo":
        if args[0].family not in (socket.AF_INET, socket.AF_INET6) or not address:  # type: ignore[attr-defined]
            return  # a unix socket, or one that is connected already
        address = address[0]  # type: ignore[index]
    if not is_local(address):  # type: ignore[arg-type]
        raise NetworkBlocked(f"tests stay on this machine: {event} to {address!r} is blocked")


sys.addaudithook(block_network)
