"""A model's answer: a delta of it, and the complete one."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

from agentchat.events import CutOff

REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details", "reasoning_items")
"""The fields of a message in which services write what the model thought."""

MAX_TOKENS = 2**62  # of one answer; no model has written so many, and sums are capped where they are stored


class Delta(NamedTuple):
    """A piece of the text. A higher `number` restarts the answer: the deltas before it are void."""

    number: int
    text: str


class Thought(Delta):
    """A piece of what the model thinks before it answers."""


@dataclass(frozen=True, kw_only=True)
class ModelResponse:
    """The result of one LLM call. `tool_calls` have OpenAI's shape; token counts are 0 where the service gives none.

    `function_call` is the older way to call a tool: name and arguments, and a generated id. `reasoning` is what the
    model thought before it called, in its service's own fields: some want it back. `finish_reason` is in OpenAI's
    words, whatever the service's are: "length" and "content_filter" mean that `content` is incomplete. `declined`: the
    content says why the model will not answer. `sources` are where the service says that the answer comes from, each
    with a `url`, a `title` or both; `hosted_calls` the calls that the service has made by itself, with their results.
    `alternatives`
    are the other choices, where more than one was asked for (`n`). `cost` is in US dollars, None if the price is
    unknown. `cached`: the model was not asked. `config_id` is the position in the config list of the entry that
    answered, `pass_filter` whether the `filter_func` accepted the answer; `refused` are the answers before it, as JSON,
    that it did not accept: they were paid for too.

    Raise ValueError for values of other kinds: services, caches and custom clients may give anything.
    """

    content: str
    tool_calls: tuple[dict[str, Any], ...] = ()
    function_call: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    finish_reason: str
    declined: bool = False
    sources: tuple[dict[str, str], ...] = ()
    hosted_calls: tuple[dict[str, Any], ...] = ()
    alternatives: tuple[dict[str, Any], ...] = ()
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    cached: bool = False
    config_id: int = 0
    pass_filter: bool = True
    refused: tuple[dict[str, Any], ...] = ()

    def __post_init__(self) -> None:
        odd = [name for name, is_valid in _VALID.items() if not is_valid(getattr(self, name))]
        if odd:
            raise ValueError(f"an answer whose {odd[0]!r} is {_short(getattr(self, odd[0]))}")

    @property
    def paid_for(self) -> "list[ModelResponse]":
        """All answers that were paid for to get this one, including this one."""
        return [*map(ModelResponse.from_json, self.refused), self]

    @property
    def cut_off(self) -> CutOff | None:
        """Why `content` is incomplete, if it is."""
        match self.finish_reason:
            case "length" | "content_filter" as reason:
                return reason
        return None

    @property
    def calls(self) -> bool:
        """Whether the model calls tools or a function."""
        return bool(self.tool_calls or self.function_call)

    def message(self) -> dict[str, Any]:
        """The answer as a message of the conversation."""
        return message_of(self.content, self.tool_calls, self.function_call, self.reasoning)

    def to_json(self) -> dict[str, Any]:
        """All fields that differ from their defaults."""
        values = {**asdict(self), **{name: [*getattr(self, name)] for name in _LISTS}}
        given = {field.name for field in fields(self) if getattr(self, field.name) != field.default}
        return {name: value for name, value in values.items() if name in given}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ModelResponse":
        lists = {name: tuple(value.get(name, ())) for name in _LISTS}
        return cls(**{**value, **lists})


_LISTS = ("tool_calls", "sources", "hosted_calls", "alternatives", "refused")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS


def _is_cost(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and math.isfinite(value) and value >= 0)


def _are_dicts(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, dict) for each in value)


def _are_calls(value: Any) -> bool:
    return _are_dicts(value) and all(_is_text(call.get("id")) and _is_function(call.get("function")) for call in value)


def _is_function(value: Any) -> bool:
    return isinstance(value, Mapping) and _is_text(value.get("name"))


_VALID: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("content", "finish_reason", "model"), _is_text),
    "tool_calls": _are_calls,
    "function_call": lambda value: value is None or _is_function(value),
    "reasoning": lambda value: value is None or isinstance(value, dict),
    **dict.fromkeys(("sources", "hosted_calls", "alternatives", "refused"), _are_dicts),
    **dict.fromkeys(("prompt_tokens", "completion_tokens", "config_id"), _is_count),
    "cost": _is_cost,
    **dict.fromkeys(("cached", "pass_filter", "declined"), lambda value: isinstance(value, bool)),
}


def _short(value: Any) -> str:
    """The value, for an error message: of a deep or large one, its kind."""
    return repr(value)[:40] if isinstance(value, str | int | float | None) else f"a {type(value).__name__}"


def message_of(
    content: str,
    tool_calls: Sequence[dict[str, Any]] = (),
    function_call: dict[str, Any] | None = None,
    reasoning: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A model's answer in the shape of a message."""
    if not (tool_calls or function_call):
        return {"role": "assistant", "content": content}
    calls: dict[str, Any] = {"tool_calls": [*tool_calls]} if tool_calls else {}
    if function_call:
        calls["function_call"] = function_call
    return {"role": "assistant", "content": content or None, **calls, **(reasoning or {})}
