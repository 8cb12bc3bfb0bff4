"""Passwords that people type: encrypted in the database while a run needs them, and erased at its end.

The key is derived from SECRET_KEY; SECRET_KEY_FALLBACKS still open what they sealed.
"""

import base64
import hashlib
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from agentchat.errors import ConfigError

ERASED = {"erased": True}
SEALED_START = "gAAAA"  # of every Fernet token


def _keys() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = (hashlib.sha256(b"agentchat.sealing" + str(secret).encode()).digest() for secret in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


def seal(secret: str) -> dict[str, str]:
    """The secret as it may be stored."""
    return {"sealed": _keys().encrypt(secret.encode()).decode()}


def unseal(value: Any) -> str:
    """The secret again. Raise ConfigError if the key is gone, or the secret is."""
    try:
        return _keys().decrypt(value["sealed"].encode()).decode()
    except (InvalidToken, KeyError) as error:
        raise ConfigError(
            "a password cannot be read any more: was SECRET_KEY changed while a run waited? Keep the old one in "
            "SECRET_KEY_FALLBACKS"
        ) from error
