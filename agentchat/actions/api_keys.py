"""API keys: users make them for their programs, and revoke them.

A key is 256 random bits behind a prefix that scanners of leaked secrets find. Only its digest is stored; without a
salt, since there is nothing to guess it from. Each request looks it up again, so a key that is revoked, expired, or
whose owner is gone ends at once; open streams within seconds (`websocket/connections.py`).
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext

from agentchat.core.log import get_logger
from agentchat.core.secrets import note_secret
from agentchat.errors import Rejected
from agentchat.infra import moments
from agentchat.infra.database import USER_TIMEOUT_SECONDS, is_transient, lock_timeout
from agentchat.models import ApiKey
from agentchat.visitors import Visitor

logger = get_logger("agentchat.programs")

PREFIX = "agentchat_"
HINT_CHARS = len(PREFIX) + 6
MAX_KEYS = 50  # of one owner, that can be used
USED_EVERY = timedelta(minutes=1)  # how exactly it is known when a key was used last


def make(
    owner: Any, *, name: str, agents: Iterable[str] | None, may_write: bool, expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """A new key, and its text, which nobody can find out any more. Raise Rejected("too_many_keys")."""
    text = PREFIX + secrets.token_urlsafe(32)
    with lock_timeout(USER_TIMEOUT_SECONDS):
        if usable().filter(owner=owner).count() >= MAX_KEYS:
            message = gettext("You have %(limit)d keys already. Revoke one that you don't need any more.")
            raise Rejected("too_many_keys", message % {"limit": MAX_KEYS})
        key = ApiKey.objects.create(
            owner=owner,
            name=name,
            hint=text[:HINT_CHARS],
            digest=_digest(text),
            agents=None if agents is None else sorted(set(agents)),
            may_write=may_write,
            expires_at=expires_at,
        )
    return key, text


def revoke(keys: "QuerySet[ApiKey]") -> int:
    """End these keys. Return how many there were that had not been revoked."""
    with lock_timeout(USER_TIMEOUT_SECONDS):
        return keys.filter(revoked_at=None).update(revoked_at=moments.now())


def usable() -> "QuerySet[ApiKey]":
    """The keys that have neither expired nor been revoked."""
    return ApiKey.objects.filter(Q(expires_at=None) | Q(expires_at__gt=moments.now()), revoked_at=None)


def find(text: str) -> ApiKey | None:
    """The key with this text, with its owner, if it can be used. From now on no log repeats it."""
    if not text.startswith(PREFIX) or len(text) > 100:
        return None
    key = usable().select_related("owner").filter(digest=_digest(text)).first()
    if key is None or not is_active(key.owner):
        return None
    note_secret(text)  # of texts that are no keys, anybody could send enough to have real secrets forgotten
    return key


def note_use(key: ApiKey) -> None:
    """Remember that the key was used: once a minute is enough. Nothing fails because that cannot be saved."""
    now = moments.now()
    if key.last_used_at is not None and now - key.last_used_at < USED_EVERY:
        return
    try:
        with lock_timeout(USER_TIMEOUT_SECONDS):
            ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    except Exception as error:
        if not is_transient(error):
            raise
        logger.warning("when key %d was used could not be saved: %s", key.pk, error)


def owners_of(keys: Collection[int]) -> dict[int, Visitor]:
    """The owners of those of the keys that can be used now."""
    found = usable().select_related("owner").filter(pk__in=keys)
    return {key.pk: Visitor(user=key.owner) for key in found if is_active(key.owner)}


def is_active(user: Any) -> bool:
    return bool(getattr(user, "is_active", True))  # a project's own users need not have it


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
