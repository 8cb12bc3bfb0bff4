"""Passwords that users enter: encrypted in the database while a run needs them, and erased when it ends.

The key is derived from SECRET_KEY; SECRET_KEY_FALLBACKS still decrypt what they have encrypted.
"""

import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from agentchat.errors import ConfigError

ERASED = {"erased": True}
TOKEN_PREFIX = "gAAAA"  # of every Fernet token


def _keys() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = (hashlib.sha256(b"agentchat.sealing" + str(secret).encode()).digest() for secret in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def encrypt(secret: str) -> dict[str, str]:
    """The secret as it may be stored."""
    return {"sealed": _keys().encrypt(secret.encode()).decode()}


def decrypt(value: Any) -> str:
    """The secret again. Raise ConfigError if it cannot be read: the key is gone, or the secret was erased."""
    try:
        return _keys().decrypt(value["sealed"].encode()).decode()
    except (InvalidToken, KeyError) as error:
        raise ConfigError(
            "a password can no longer be read: was SECRET_KEY changed while a run waited? Keep the old one in "
            "SECRET_KEY_FALLBACKS"
        ) from error
