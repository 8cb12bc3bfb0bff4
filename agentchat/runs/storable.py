"""What a database can store of what a model, a tool, a person or an agent function wrote.

PostgreSQL takes no NUL and no half of a surrogate pair in a text, no NaN in JSON, and no word longer than its column;
SQLite takes some of these. Everything that is written passes here, so that both keep the same.
"""

import hashlib
import math
from typing import Any

NAME_CHARS = 200  # of a step
CODE_CHARS = 50  # of an error


def clean(text: str) -> str:
    """The text without NUL and halves of surrogate pairs."""
    if "\0" in text:
        text = text.replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_json(value: Any) -> Any:
    """A JSON value whose texts are clean and whose numbers are numbers."""
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(key) if isinstance(key, str) else key: clean_json(each) for key, each in value.items()}
        case list() | tuple():
            return [clean_json(each) for each in value]
        case float() if not math.isfinite(value):
            return None
    return value


def short(name: str, limit: int = NAME_CHARS) -> str:
    """The name as a column of `limit` characters takes it; two long ones that differ do so still."""
    name = clean(name)
    if len(name) <= limit:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: limit - 14]}… {mark}"
