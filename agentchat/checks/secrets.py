"""System checks of secrets, before a site is public: those that anyone can read in the documentation, or guess."""

import re
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from agentchat.errors import ConfigError
from agentchat.llm.config import configured
from agentchat.llm.config_entries import entries_of

MIN_CHARS = 50  # of SECRET_KEY, as Django wants them
MIN_DISTINCT = 5
_PLACEHOLDER = re.compile(
    r"replace[-_ ]?(this|me|by)|change[-_ ]?(this|me)|placeholder|example|your[-_ ]|insert[-_ ]|secret[-_ ]?key"
    r"|django-insecure-|signs-nothing|\bxxx+|\.\.\.|\u2026",
    re.IGNORECASE,
)


@register(Tags.security, deploy=True)
def check_secrets(**kwargs: Any) -> list[CheckMessage]:
    """W021: a SECRET_KEY that is a placeholder, or can be guessed. W022: a key of a model that is a placeholder."""
    return [*_secret_key(), *_model_keys()]


def _secret_key() -> list[CheckMessage]:
    try:
        keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    except ImproperlyConfigured:
        return []  # Django reports that there is none
    for key in keys:
        if _PLACEHOLDER.search(str(key)) or len(key) < MIN_CHARS or len(set(key)) < MIN_DISTINCT:
            return [
                Warning(
                    "SECRET_KEY, or one of SECRET_KEY_FALLBACKS, is a placeholder, or can be guessed: whoever has it "
                    "can sign in as anyone",
                    hint="Let it be the output of: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'",
                    id="agentchat.W021",
                )
            ]
    return []


def _model_keys() -> list[CheckMessage]:
    try:
        entries = entries_of({"config_list": configured()})
    except (ConfigError, OSError):
        return []  # W011 reports it
    # Local servers take any key, and none.
    fake = [
        str(entry)
        for entry in entries
        if entry.api_type in ("openai", "azure")
        and entry.api_key != "none"
        and (_PLACEHOLDER.search(entry.api_key) or re.fullmatch(r"sk-.{0,4}", entry.api_key))
    ]
    if not fake:
        return []
    return [
        Warning(
            f"the key for {', '.join(fake)} is a placeholder: its answers will be refused",
            hint="Set OPENAI_API_KEY, or the entry's 'api_key', to the key that the service has given you; for a "
            "server that needs none, leave it out.",
            id="agentchat.W022",
        )
    ]
