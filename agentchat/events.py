"""What happens in a chat, as values.

Agents say what happens with `iostream.send(event)`. A console prints it, a run numbers and saves it, a page shows it.
A *fact* is numbered and kept; a *delta* is a piece of a message being written, shown at once and kept by nobody.
Names, and the order in which they may come, are AG-UI's where it has them; `payload()` is the JSON on the wire.

Nothing here does anything: what becomes of an event is the stream's affair.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

Role = Literal["assistant", "user", "system"]


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events. `type` is the name on the wire; an event without one never gets there."""

    type: ClassVar[str] = ""

    def payload(self) -> dict[str, Any]:
        """The fields as the wire names them; those that are None are left out."""
        values = ((f, getattr(self, f.name)) for f in fields(self) if f.metadata.get("wire", True))
        return {_camel(f.name): value for f, value in values if value is not None}


def _off_wire(default: Any = "") -> Any:
    return field(default=default, metadata={"wire": False})


# --- messages -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TextMessage(Event):
    """A whole message, said at once. On the wire it is a TEXT_MESSAGE_START and a TEXT_MESSAGE_END."""

    name: str
    to: str = ""
    content: str
    role: Role = "assistant"
    last: bool = True  # false: tool calls of the same message follow


@dataclass(frozen=True, kw_only=True)
class TextMessageStart(Event):
    """Somebody begins to write. `message_id` is unique in its chat session and the same at every try."""

    type = "TEXT_MESSAGE_START"
    message_id: str
    role: Role = "assistant"
    name: str
    to: str = _off_wire()


@dataclass(frozen=True, kw_only=True)
class TextMessageContent(Event):
    """A delta. `offset` counts UTF-16 code units from the message's start; a higher `attempt` starts again at 0."""

    type = "TEXT_MESSAGE_CONTENT"
    message_id: str
    attempt: int = 1
    offset: int = 0
    delta: str


@dataclass(frozen=True, kw_only=True)
class TextMessageEnd(Event):
    """The message is complete: `content` wins over whatever the deltas said. `stopped`: it was cut off."""

    type = "TEXT_MESSAGE_END"
    message_id: str
    content: str
    stopped: bool | None = None
    name: str = _off_wire()
    to: str = _off_wire()
    last: bool = _off_wire(True)  # false: tool calls of the same message follow


# --- tools ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ToolCallStart(Event):
    """An agent wants a tool called. `tool_call_id` is the model's own; `name` is the agent's."""

    type = "TOOL_CALL_START"
    tool_call_id: str
    tool_call_name: str
    name: str


@dataclass(frozen=True, kw_only=True)
class ToolCallArgs(Event):
    """The call's arguments, as the model wrote them: JSON, or what it took for JSON."""

    type = "TOOL_CALL_ARGS"
    tool_call_id: str
    args: str


@dataclass(frozen=True, kw_only=True)
class ToolCallEnd(Event):
    """The call is complete; it has not run yet."""

    type = "TOOL_CALL_END"
    tool_call_id: str
    tool_call_name: str = _off_wire()
    last: bool = _off_wire(True)  # false: another call of the same message follows


@dataclass(frozen=True, kw_only=True)
class ToolCallResult(Event):
    """What came of the call, as the model will read it. `ok` is false for an error. `name` is who ran it."""

    type = "TOOL_CALL_RESULT"
    tool_call_id: str
    message_id: str
    content: str
    ok: bool
    duration_ms: int
    name: str = _off_wire()
    to: str = _off_wire()
    tool_call_name: str = _off_wire()


# --- chats within a chat --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NestedChatsStarted(Event):
    """`name` asks other agents before it replies: what they say, up to the end of the same step, is between them."""

    type = "STEP_STARTED"
    step_name: str
    name: str


@dataclass(frozen=True, kw_only=True)
class NestedChatsFinished(Event):
    """They are done; the reply comes next. Steps within a step end before it does."""

    type = "STEP_FINISHED"
    step_name: str
    name: str


# --- people ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class InputRequested(Event):
    """A question to the person.

    `schema` is the JSON schema of a form, or of the arguments of the tool call to approve. `digest` binds an approval
    to the tool and its arguments. `unsure`: the call may have been made already. `initial` fills the form at first.
    `expires_at` is an ISO time.
    """

    type = "INPUT_REQUESTED"
    request: str
    kind: Literal["text", "approval", "form"] = "text"
    prompt: str
    schema: Mapping[str, Any] | None = None
    tool_call_id: str | None = None
    digest: str | None = None
    unsure: bool | None = None
    initial: Any = None
    expires_at: str | None = None
    password: bool | None = None


@dataclass(frozen=True, kw_only=True)
class InputAnswered(Event):
    """The first answer to a request, or its end. `value` is None where it must not be shown (a password)."""

    type = "INPUT_ANSWERED"
    request: str
    value: Any = None
    by: str
    expired: bool | None = None


# --- the run --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """A run begins. It follows the run `parent` (a number); with `from_seq` it parts from it before that event."""

    type = "RUN_STARTED"
    parent: int | None = None
    from_seq: int | None = None


@dataclass(frozen=True, kw_only=True)
class BranchSelected(Event):
    """People look at another branch now: the one that ends in the run that this belongs to."""

    type = "BRANCH_SELECTED"


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The agent function returned, or somebody stopped it."""

    type = "RUN_FINISHED"
    outcome: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class RunError(Event):
    """The run failed. `message` is in kind words; the traceback is in the log under `id`."""

    type = "RUN_ERROR"
    code: str
    message: str
    id: str


@dataclass(frozen=True, kw_only=True)
class Usage(Event):
    """What one LLM call used, in tokens. `cost` in US dollars where it is known."""

    type = "USAGE"
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost: float | None = None


@dataclass(frozen=True, kw_only=True)
class Printed(Event):
    """What an agent function prints itself."""

    type = "PRINTED"
    text: str


@dataclass(frozen=True, kw_only=True)
class Notice(Event):
    """A line of the classic console (">>>>>>>> USING AUTO REPLY..."); streams that show more than text leave it out."""

    text: str
