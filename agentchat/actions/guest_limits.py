"""What guests may use: those of one address, and all guests of the site together.

A guest is a key in a browser, of which anybody can have as many as they like: a limit of owners is none for guests.
They share by address (`infra/addresses.py`), and all of them share what `GUEST_ADDRESSES` addresses may use. Users with
accounts cost no statement, nor do guests where nothing is limited (`rate_limits.py`).
"""

import json
import math
from collections.abc import Iterator
from typing import Any

from django.utils.translation import ngettext

from agentchat import conf
from agentchat.actions.rate_limits import Bucket, BucketFull, key_of, use
from agentchat.errors import Rejected
from agentchat.infra.addresses import UNKNOWN
from agentchat.visitors import Visitor

_OF_ALL = "of all guests"


def use_as_guest(visitor: Visitor, *, chats: int = 0, messages: int = 0, size: int = 0) -> None:
    """Let a guest start chats, and send messages with `size` bytes in all. Nothing is limited for users with accounts.

    In the transaction that saves it. Raise Rejected("rate_limited") if it is too much for the guests of this address,
    or for all guests; `retry_after` says when it would not be.
    """
    if visitor.user is not None:
        return
    amounts = {"chats": chats, "messages": messages, "bytes": size}
    used = {bucket: amounts[kind] for kind, bucket in _buckets(visitor.address) if amounts[kind]}
    if not used:
        return
    try:
        use(used)
    except BucketFull as full:
        raise _rejected(full) from full


def size_of(value: Any) -> int:
    """The bytes of a message or an answer, about as they are stored."""
    return len((value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode(errors="replace"))


def _buckets(address: str) -> Iterator[tuple[str, Bucket]]:
    """By what they are of. Those of all guests come last: every transaction locks them in this order."""
    app = conf.app
    limits = {
        "chats": (app.guest_chats_per_hour, 60 * 60),
        "messages": (app.guest_messages_per_minute, 60),
        "bytes": (app.guest_mb_per_day and app.guest_mb_per_day * 10**6, 24 * 60 * 60),
    }
    sharing = [(key_of("at", address), 1)] if address != UNKNOWN else []
    if app.guest_addresses is not None:
        sharing.append((_OF_ALL, app.guest_addresses))
    for whose, addresses in sharing:
        for kind, (amount, seconds) in limits.items():
            if amount is not None:
                yield kind, Bucket(f"{kind} {whose}", amount * addresses, seconds)


def _rejected(full: BucketFull) -> Rejected:
    seconds = math.ceil(full.seconds)
    minutes = math.ceil(seconds / 60)
    if full.bucket.key.endswith(_OF_ALL):
        text = ngettext(
            "Too many guests are using this site right now. Please try again in %(minutes)d minute.",
            "Too many guests are using this site right now. Please try again in %(minutes)d minutes.",
            minutes,
        )
    elif full.bucket.key.startswith("chats"):
        text = ngettext(
            "Too many chats have been started from your network. Please try again in %(minutes)d minute.",
            "Too many chats have been started from your network. Please try again in %(minutes)d minutes.",
            minutes,
        )
    else:
        text = ngettext(
            "Too much has been sent from your network. Please try again in %(minutes)d minute.",
            "Too much has been sent from your network. Please try again in %(minutes)d minutes.",
            minutes,
        )
    return Rejected("rate_limited", text % {"minutes": minutes}, retry_after=seconds)
