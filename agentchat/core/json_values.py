"""Values as JSON, for what goes to a model: agent functions put more into messages than JSON has."""

import math
from collections.abc import Mapping
from typing import Any

from agentchat.core.text import replace_lone_surrogates


def as_json(value: Any) -> Any:
    """The value with texts that can be encoded, and with the text of each object that JSON has no type for.

    A lazy translation becomes its text in the language of the moment.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {as_text(key): as_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    return as_text(value)


def as_text(value: Any) -> str:
    return replace_lone_surrogates(value if type(value) is str else str(value))
