"""What a database can store of what models, tools, users and agent functions write.

PostgreSQL accepts no NUL and no lone surrogate in a text, no NaN in JSON, and no text longer than its column; SQLite
accepts some of these. Everything that is written passes through here, so that both store the same.
"""

import hashlib
import math
from typing import Any

from django.utils.functional import Promise

from agentchat.core.text import replace_lone_surrogates

NAME_CHARS = 200  # of a step
CODE_CHARS = 50  # of an error


def clean(text: str) -> str:
    """The text without NUL and lone surrogates."""
    return replace_lone_surrogates(text.replace("\0", ""))


def clean_json(value: Any) -> Any:
    """A JSON value whose texts are clean, lazy ones included, and whose numbers are finite: null replaces others."""
    match value:
        case str():
            return clean(value)
        case Promise():  # a lazy translation
            return clean(str(value))
        case dict():
            return {clean(key) if isinstance(key, str) else key: clean_json(each) for key, each in value.items()}
        case list() | tuple():
            return [clean_json(each) for each in value]
        case float() if not math.isfinite(value):
            return None
    return value


def short(name: str, limit: int = NAME_CHARS) -> str:
    """The name as a column of `limit` characters holds it; two long ones that differ still do."""
    name = clean(name)
    if len(name) <= limit:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: limit - 14]}… {mark}"
