"""A model's answer: a piece of it, and the whole."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple


class Delta(NamedTuple):
    """A piece of the text. A higher `number` begins the answer anew: what came before is void."""

    number: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What one LLM call brought. `tool_calls` have OpenAI's shape; token counts are 0 where the service gives none.

    `function_call` is the older way to call a tool: name and arguments, and an id that is ours. `finish_reason` is the
    model's own word: "length" and "content_filter" mean that `content` is not all it had to say. `cost` is in US
    dollars, None if the price is unknown. `cached`: the model was not asked. `config_id` is the position in the config
    list of the entry that answered, `pass_filter` whether the `filter_func` took the answer; `refused` are the answers
    before it, as JSON, that it did not take: they were paid for too.
    """

    content: str
    tool_calls: tuple[dict[str, Any], ...] = ()
    function_call: dict[str, Any] | None = None
    finish_reason: str
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    cached: bool = False
    config_id: int = 0
    pass_filter: bool = True
    refused: tuple[dict[str, Any], ...] = ()

    @property
    def paid_for(self) -> "list[Reply]":
        """All answers that it took to get this one, the last one itself."""
        return [*map(Reply.from_json, self.refused), self]

    @property
    def calls(self) -> bool:
        """The model wants something called."""
        return bool(self.tool_calls or self.function_call)

    def message(self) -> dict[str, Any]:
        """The answer as a message of the conversation."""
        if not self.calls:
            return {"role": "assistant", "content": self.content}
        called: dict[str, Any] = {}
        if self.tool_calls:
            called["tool_calls"] = [*self.tool_calls]
        if self.function_call:
            called["function_call"] = self.function_call
        return {"role": "assistant", "content": self.content or None, **called}

    def to_json(self) -> dict[str, Any]:
        """All fields that are not as they are by default."""
        values = {**asdict(self), "tool_calls": [*self.tool_calls], "refused": [*self.refused]}
        given = {field.name for field in fields(self) if getattr(self, field.name) != field.default}
        return {name: value for name, value in values.items() if name in given}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Reply":
        lists = {name: tuple(value.get(name, ())) for name in ("tool_calls", "refused")}
        return cls(**{**value, **lists})
