"""Where a request comes from: the part of a network that one user has, for what guests share by address.

Behind proxies the peer is a proxy, and `X-Forwarded-For` has the rest. Anybody may send that header, so only what the
site's own proxies have added to it counts: the last `TRUSTED_PROXIES` entries, of which the first is the client.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from agentchat import conf

UNKNOWN = ""
"""The address if only a proxy's is known, or none."""

_IPV6_PREFIX = 64  # bits: what one connection has; its users can take any address in it


def address_of_scope(scope: Mapping[str, Any]) -> str:
    """The address of an ASGI connection."""
    client = scope.get("client")
    forwarded = [value.decode("latin1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return address_of(str(client[0]) if client else "", forwarded)


def address_of_meta(meta: Mapping[str, Any]) -> str:
    """The address of a Django request, from its `META`."""
    return address_of(meta.get("REMOTE_ADDR") or "", [meta.get("HTTP_X_FORWARDED_FOR", "")])


def address_of(peer: str, forwarded: Iterable[str] = ()) -> str:
    """The address of a client: an IPv4 address, or an IPv6 network of 64 bits; UNKNOWN if it is not known.

    `forwarded` are the values of X-Forwarded-For.
    """
    proxies = conf.app.trusted_proxies
    if proxies:
        entries = [entry.strip() for value in forwarded for entry in value.split(",")]
        # With fewer entries, a proxy has not added its own: whose address the first one is, nobody knows.
        return _network(_parsed(entries[-proxies])) if len(entries) >= proxies else UNKNOWN
    address = _parsed(peer)
    if proxies is None and address is not None and address.is_private:
        return UNKNOWN  # it may be a proxy, and all the site's visitors would be one
    return _network(address)


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _parsed(text: str) -> Address | None:
    host = text.removeprefix("[").partition("]")[0] if text.startswith("[") else text
    if host.count(":") == 1:  # a port, as some proxies add it
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(address: Address | None) -> str:
    if address is None:
        return UNKNOWN
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False))
