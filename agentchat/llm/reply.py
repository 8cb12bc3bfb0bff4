"""A model's answer, complete."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What one LLM call brought. `tool_calls` have OpenAI's shape; token counts are 0 where the service gives none.

    `finish_reason` is the model's own word: "length" and "content_filter" mean that `content` is not all it had to say.
    """

    content: str
    tool_calls: tuple[dict[str, Any], ...] = ()
    finish_reason: str
    model: str
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def message(self) -> dict[str, Any]:
        """The answer as a message of the conversation."""
        if not self.tool_calls:
            return {"role": "assistant", "content": self.content}
        return {"role": "assistant", "content": self.content or None, "tool_calls": [*self.tool_calls]}

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "tool_calls": [*self.tool_calls]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Reply":
        return cls(**{**value, "tool_calls": tuple(value["tool_calls"])})
