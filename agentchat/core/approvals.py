"""Questions whose answer is more than a line of text: the approval of a tool call, and a form.

An agent asks its stream (`stream.ask`, `stream.approve`). A run shows a form and waits for days; a text stream asks
line by line with `input()`, as the functions here do.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from agentchat.core.addressees import Delegation
from agentchat.core.model_json import read_json
from agentchat.core.patterns import form_schema
from agentchat.errors import ConfigError
from agentchat.events import Visibility

M = TypeVar("M", bound=BaseModel)

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # in JSON: not an escaped backslash before these letters


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A request to call a tool with these arguments.

    `schema` is the JSON schema of the arguments, which the user may change: those in `editable`, or what is usual.
    After `expires_at` the request can no longer be answered, and the call is refused. `delegation`: somebody else than
    the user is asked; then `visible` is what the user sees of it.

    What is shown is what is called: raise ConfigError for arguments that are no JSON, have a number that is not finite,
    or a NUL character, which a database does not store.
    """

    tool: str
    arguments: Mapping[str, Any]
    schema: Mapping[str, Any]
    tool_call_id: str
    prompt: str = ""
    expires_at: datetime | None = None
    delegation: Delegation | None = None
    editable: tuple[str, ...] | None = None
    visible: Visibility | None = None

    def __post_init__(self) -> None:
        try:
            text = json.dumps(dict(self.arguments), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(f"the arguments of {self.tool!r} cannot be shown for approval: {error}") from error
        if _NUL.search(text):
            raise ConfigError(f"the arguments of {self.tool!r} cannot be shown for approval: one has a NUL character")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The user's answer. `arguments` are set if the user changed them; `reason` is for the model."""

    approved: bool
    arguments: dict[str, Any] | None = None
    reason: str = ""

    @property
    def refusal(self) -> str:
        """What the model reads instead of the result of a call that was not approved."""
        why = f": {self.reason}" if self.reason else ", and gave no reason"
        return f"The person did not approve this call{why}. It was not made."


class TextStream(Protocol):
    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None: ...

    def input(self, prompt: str = "", *, password: bool = False) -> str: ...


def approve(stream: Any, approval: Approval) -> Decision:
    """Ask on any stream: with its own `approve`, or with `input()` if it has none."""
    ask = getattr(stream, "approve", None)
    return ask(approval) if ask is not None else approve_by_text(stream, approval)


def approve_by_text(stream: TextStream, approval: Approval) -> Decision:
    """Ask on a text stream. Blocks until there is a valid answer."""
    stream.print(
        approval.prompt or f"{approval.tool} is about to be called with {json.dumps(dict(approval.arguments))}"
    )
    while True:
        answer = stream.input("yes, no (and why), or other arguments as JSON: ").strip()
        word, _, rest = answer.partition(" ")
        if word.lower() in ("y", "yes"):
            return Decision(approved=True)
        if word.lower().rstrip(",:") in ("n", "no"):
            return Decision(approved=False, reason=rest.strip())
        try:
            arguments = read_json(answer) if answer else None
        except ValueError:
            arguments = None
        if isinstance(arguments, dict):
            return Decision(approved=True, arguments=arguments)
        stream.print(f"Please answer yes, no, or with a JSON object, not {answer[:200]!r}.")


def ask_by_text(stream: TextStream, prompt: str, form: type[M]) -> M:
    """Fill in a form line by line. Blocks until it is valid; empty fields take their defaults.

    Raise ConfigError as `form_schema` does.
    """
    form_schema(form)
    stream.print(prompt)
    while True:
        given = {}
        for name, about in form.model_fields.items():
            label = about.description or about.title or name.replace("_", " ")
            if text := stream.input(f"{label}: ").strip():
                given[about.alias or name] = text
        try:
            return form.model_validate_strings(given)
        except ValidationError as error:
            for field, problem in problems_of(error).items():
                stream.print(f"{field or 'This'}: {problem}")


def problems_of(error: ValidationError) -> dict[str, str]:
    """The validation messages of a form by field ("address.city"; "" for the form as a whole)."""
    return {
        ".".join(str(part) for part in problem["loc"]): problem["msg"]
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    }
