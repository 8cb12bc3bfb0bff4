"""Which files an agent function takes: `@on_connect(uploads=["image/*", "application/pdf", ".csv"], max_upload=…)`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agentchat.errors import ConfigError

_PATTERN = re.compile(r"\.[a-z0-9]{1,15}|[a-z]+/(?:\*|[a-z0-9][a-z0-9.+-]*)|\*/\*")


@dataclass(frozen=True, kw_only=True)
class UploadRules:
    """Patterns of types ("image/*", "application/pdf") and extensions (".csv"), and the most bytes of one file.

    Without patterns nothing is taken. `max_bytes` None: as many as the site's MAX_UPLOAD_MB says.
    """

    patterns: tuple[str, ...] = ()
    max_bytes: int | None = None

    def __bool__(self) -> bool:
        return bool(self.patterns)


NO_UPLOADS = UploadRules()


def upload_rules(agent: str, uploads: Sequence[str], max_upload: int | None) -> UploadRules:
    """The rules of an agent function of this name. Raise ConfigError for what cannot be one."""
    if isinstance(uploads, str) or not all(_is_pattern(each) for each in uploads):
        raise ConfigError(
            f"uploads={uploads!r} of agent function {agent!r}: use a list of types and extensions, as in "
            f'["image/*", "application/pdf", ".csv"]'
        )
    if max_upload is not None and (isinstance(max_upload, bool) or not isinstance(max_upload, int) or max_upload < 1):
        raise ConfigError(
            f"max_upload={max_upload!r} of agent function {agent!r}: use a number of bytes, as in 10 * 1024**2, or "
            f"None for the site's MAX_UPLOAD_MB"
        )
    return UploadRules(patterns=tuple(each.lower() for each in uploads), max_bytes=max_upload)


def _is_pattern(value: Any) -> bool:
    return isinstance(value, str) and _PATTERN.fullmatch(value.lower()) is not None
