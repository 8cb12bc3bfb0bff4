"""Questions that have more than one line for an answer: the approval of a tool call, and a form.

An agent asks its stream (`stream.ask`, `stream.approve`). A run shows a card and waits for days; a stream for text asks
line by line with `input()`, and that is what the functions here do.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Approval:
    """May this tool be called with these arguments?

    `schema` is the JSON schema of the arguments: a person may change them within it. After `expires_at` nobody may
    answer any more, and the call is refused.
    """

    tool: str
    arguments: Mapping[str, Any]
    schema: Mapping[str, Any]
    tool_call_id: str
    prompt: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the person said. `arguments` are theirs where they changed them; `reason` is for the model to read."""

    approved: bool
    arguments: dict[str, Any] | None = None
    reason: str = ""

    @property
    def refusal(self) -> str:
        """What the model reads of a call that was not approved."""
        why = f": {self.reason}" if self.reason else ", and gave no reason"
        return f"The person did not approve this call{why}. It was not made."


class TextStream(Protocol):
    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None: ...

    def input(self, prompt: str = "", *, password: bool = False) -> str: ...


def approve(stream: Any, approval: Approval) -> Decision:
    """Ask on any stream: by its own `approve`, or with `input()` where it has none."""
    ask = getattr(stream, "approve", None)
    return ask(approval) if ask is not None else approve_by_text(stream, approval)


def approve_by_text(stream: TextStream, approval: Approval) -> Decision:
    """Ask on a stream for text. Blocks until there is an answer that can be meant."""
    stream.print(approval.prompt or f"{approval.tool} wants to be called with {json.dumps(dict(approval.arguments))}")
    while True:
        said = stream.input("yes, no (and why), or other arguments as JSON: ").strip()
        word, _, rest = said.partition(" ")
        if word.lower() in ("y", "yes"):
            return Decision(approved=True)
        if word.lower().rstrip(",:") in ("n", "no"):
            return Decision(approved=False, reason=rest.strip())
        try:
            arguments = json.loads(said)
        except ValueError:
            arguments = None
        if isinstance(arguments, dict):
            return Decision(approved=True, arguments=arguments)
        stream.print(f"Please say yes, no, or give a JSON object; {said!r} is none of these.")


def ask_by_text(stream: TextStream, prompt: str, form: type[M]) -> M:
    """Fill in a form line by line. Blocks until it is right; what is left empty takes its default."""
    stream.print(prompt)
    while True:
        given = {}
        for name, about in form.model_fields.items():
            label = about.description or about.title or name.replace("_", " ")
            if said := stream.input(f"{label}: ").strip():
                given[about.alias or name] = said
        try:
            return form.model_validate_strings(given)
        except ValidationError as error:
            for problem, words in problems_of(error).items():
                stream.print(f"{problem or 'This'}: {words}")


def problems_of(error: ValidationError) -> dict[str, str]:
    """What is wrong with a form, in words, by field ("address.city"; "" for the whole)."""
    return {
        ".".join(str(part) for part in problem["loc"]): problem["msg"]
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    }
