"""What happens in a chat, as values.

Agents emit events with `iostream.send(event)`. A console prints them, a run numbers and saves them, a page shows them.
A *delta* is a piece of a message being written: it is shown at once and never saved. Names, and their order, are
AG-UI's where it has them; `payload()` is the JSON on the wire.

Events are plain values: streams decide what to do with them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

Role = Literal["assistant", "user", "system", "staff"]
"""`staff`: somebody of the site, in a handover. No agent function can send such a message."""
CutOff = Literal["length", "content_filter"]
QuestionKind = Literal["text", "approval", "form"]
Visibility = Literal["all", "name", "none"]
"""What users see of a tool call: all of it, that a tool of this name was called, or nothing. Staff see all."""


def wire_name(name: str) -> str:
    """A field's name in JSON."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


@dataclass(frozen=True, kw_only=True)
class ChatEvent:
    """Base of all events. `type` is the name on the wire; an event without one never gets there."""

    type: ClassVar[str] = ""

    def payload(self) -> dict[str, Any]:
        """The fields as the wire names them; those that are None are left out."""
        values = ((f, getattr(self, f.name)) for f in fields(self) if f.metadata.get("wire", True))
        return {wire_name(f.name): value for f, value in values if value is not None}


def _off_wire(default: Any = "") -> Any:
    return field(default=default, metadata={"wire": False})


# --- messages -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TextMessage(ChatEvent):
    """A complete message. On the wire it is a TEXT_MESSAGE_START and a TEXT_MESSAGE_END."""

    name: str
    to: str = ""
    content: str
    role: Role = "assistant"
    last: bool = True  # false: tool calls of the same message follow


@dataclass(frozen=True, kw_only=True)
class TextMessageStart(ChatEvent):
    """A message is being written. `message_id` is unique in its chat session and the same at every attempt."""

    type = "TEXT_MESSAGE_START"
    message_id: str
    role: Role = "assistant"
    name: str
    to: str = _off_wire()


@dataclass(frozen=True, kw_only=True)
class TextMessageContent(ChatEvent):
    """A delta. `offset` counts UTF-16 code units from the message's start; a higher `attempt` restarts at 0."""

    type = "TEXT_MESSAGE_CONTENT"
    message_id: str
    attempt: int = 1
    offset: int = 0
    delta: str


@dataclass(frozen=True, kw_only=True)
class TextMessageEnd(ChatEvent):
    """The message is complete: `content` takes precedence over the deltas.

    `stopped`: the run ended while it was written. `finish_reason`: the model itself left it incomplete, because it has
    reached its maximum length, or a filter of its service ended it.
    """

    type = "TEXT_MESSAGE_END"
    message_id: str
    content: str
    stopped: bool | None = None
    finish_reason: CutOff | None = None
    files: Sequence[Mapping[str, Any]] | None = None  # `FileReference`s: what the user has sent with it
    name: str = _off_wire()
    to: str = _off_wire()
    last: bool = _off_wire(True)  # false: tool calls of the same message follow


# --- thoughts -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ReasoningMessageContent(ChatEvent):
    """A delta of what the model thinks before it writes the message. Attempts and offsets as in TextMessageContent."""

    type = "REASONING_MESSAGE_CONTENT"
    message_id: str
    attempt: int = 1
    offset: int = 0
    delta: str


@dataclass(frozen=True, kw_only=True)
class ReasoningMessageEnd(ChatEvent):
    """What the model has thought before it wrote the message, whose END is next. `content` is None: it is not kept."""

    type = "REASONING_MESSAGE_END"
    message_id: str
    content: str | None = None
    duration_ms: int


@dataclass(frozen=True, kw_only=True)
class Sources(ChatEvent):
    """Where the answer before this comes from, or the next one if there is none: a `url`, a `title` or both of each."""

    type = "SOURCES"
    sources: Sequence[Mapping[str, str]]


# --- tools ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ToolCallStart(ChatEvent):
    """An agent calls a tool. `tool_call_id` is the model's; `name` is the agent's.

    `visible`, here and in what follows: as the tool says; None leaves it to the site.
    """

    type = "TOOL_CALL_START"
    tool_call_id: str
    tool_call_name: str
    name: str
    visible: Visibility | None = None


@dataclass(frozen=True, kw_only=True)
class ToolCallArgs(ChatEvent):
    """The call's arguments, as the model wrote them: JSON, though it may be invalid."""

    type = "TOOL_CALL_ARGS"
    tool_call_id: str
    args: str
    visible: Visibility | None = None


@dataclass(frozen=True, kw_only=True)
class ToolCallEnd(ChatEvent):
    """The call is complete; it has not run yet."""

    type = "TOOL_CALL_END"
    tool_call_id: str
    visible: Visibility | None = None
    tool_call_name: str = _off_wire()
    last: bool = _off_wire(True)  # false: another call of the same message follows


@dataclass(frozen=True, kw_only=True)
class ToolCallResult(ChatEvent):
    """The call's result, as the model will read it. `ok` is false for an error. `name` is the agent that ran it."""

    type = "TOOL_CALL_RESULT"
    tool_call_id: str
    message_id: str
    content: str
    ok: bool
    duration_ms: int
    visible: Visibility | None = None
    name: str = _off_wire()
    to: str = _off_wire()
    tool_call_name: str = _off_wire()


# --- chats within a chat --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class NestedChatsStarted(ChatEvent):
    """`name` chats with other agents before it replies: the messages up to the end of the step are between them."""

    type = "STEP_STARTED"
    step_name: str
    name: str


@dataclass(frozen=True, kw_only=True)
class NestedChatsFinished(ChatEvent):
    """The nested chats are over; the reply comes next. Steps within a step end before it."""

    type = "STEP_FINISHED"
    step_name: str
    name: str


# --- user input -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class InputRequested(ChatEvent):
    """A question to the user.

    `schema` is the JSON schema of a form, or of the arguments of the tool call to approve. `digest` binds an approval
    to the tool and its arguments. `unsure`: the call may have been made already. `initial` fills the form, or has the
    arguments to approve, of which those in `editable` may be changed. `name` identifies it, whatever its words are.
    `expires_at` is an ISO time. What the system asks by itself has a `code` and its `params`, for translation.

    `visible` is that of the call in question. `colleague`: it is for somebody else than the owner of the chat, to whom
    it is shown as far as it is `visible`.
    """

    type = "INPUT_REQUESTED"
    request: str
    kind: QuestionKind = "text"
    prompt: str
    name: str | None = None
    code: str | None = None
    params: Mapping[str, Any] | None = None
    schema: Mapping[str, Any] | None = None
    tool_call_id: str | None = None
    digest: str | None = None
    unsure: bool | None = None
    visible: Visibility | None = None
    initial: Any = None
    expires_at: str | None = None
    password: bool | None = None
    editable: Sequence[str] | None = None
    colleague: bool | None = None
    tool: str = _off_wire()


@dataclass(frozen=True, kw_only=True)
class InputAnswered(ChatEvent):
    """The first answer to a request, or its end. `value` is None where it must not be shown (a password).

    `kind`, `colleague` and `visible` are those of the question, if a colleague answers it.
    """

    type = "INPUT_ANSWERED"
    request: str
    value: Any = None
    by: str
    expired: bool | None = None
    kind: QuestionKind | None = None
    colleague: bool | None = None
    visible: Visibility | None = None


# --- staff ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class HandoverRequested(ChatEvent):
    """The agent is silent from here on, and staff answer. `taken`: they came unasked."""

    type = "HANDOVER_REQUESTED"
    request: str
    taken: bool | None = None


@dataclass(frozen=True, kw_only=True)
class HandoverJoined(ChatEvent):
    """Somebody has come: `name` is the public name of a member of staff."""

    type = "HANDOVER_JOINED"
    request: str
    name: str


@dataclass(frozen=True, kw_only=True)
class HandoverEnded(ChatEvent):
    """The agent goes on. `name` has given the chat back, or nobody came (`expired`), or the run has ended."""

    type = "HANDOVER_ENDED"
    request: str
    name: str = ""
    expired: bool | None = None


BY_STAFF_ALONE = (HandoverRequested.type, HandoverJoined.type, HandoverEnded.type)
"""The types of what no agent function can send: who is a member of staff is judged where they act."""


# --- the run --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RunStarted(ChatEvent):
    """A run starts. It follows the run `parent` (a number); with `from_seq` it forks from it before that event."""

    type = "RUN_STARTED"
    parent: int | None = None
    from_seq: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunWaiting(ChatEvent):
    """The run waits for a signal or a row: for nothing that its user could do in the chat. `over`: it goes on."""

    type = "RUN_WAITING"
    over: bool | None = None


@dataclass(frozen=True, kw_only=True)
class BranchSelected(ChatEvent):
    """Another branch is shown now: the one that ends in the run that this event belongs to."""

    type = "BRANCH_SELECTED"


@dataclass(frozen=True, kw_only=True)
class RunFinished(ChatEvent):
    """The agent function returned, or was stopped."""

    type = "RUN_FINISHED"
    outcome: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class RunError(ChatEvent):
    """The run failed. `message` is for users; the traceback is in the log under `id`.

    With `params` the message is the standard one of `code`, filled in with them, and can be translated. `detail` is the
    reason for staff: what the model's service said, or what is set wrongly. Other users never get it.
    """

    type = "RUN_ERROR"
    code: str
    message: str
    id: str
    params: Mapping[str, Any] | None = None
    detail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Usage(ChatEvent):
    """What one LLM call used, in tokens. `cost` in US dollars where it is known."""

    type = "USAGE"
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost: float | None = None


@dataclass(frozen=True, kw_only=True)
class Printed(ChatEvent):
    """What an agent function prints directly."""

    type = "PRINTED"
    text: str


@dataclass(frozen=True, kw_only=True)
class Unreadable(ChatEvent):
    """What stands for a stored event that cannot be read. `original` is the type that it has."""

    type = "UNREADABLE"
    original: str


@dataclass(frozen=True, kw_only=True)
class Notice(ChatEvent):
    """A line of the classic console (">>>>>>>> USING AUTO REPLY..."); streams that show more than text ignore it."""

    text: str


class DeveloperWarning(ChatEvent):
    """What developers should know and users do not see: it is logged, and on the page under DEBUG."""


@dataclass(frozen=True, kw_only=True)
class ChatStalled(DeveloperWarning):
    """A chat between two agents was ended, because they said the same again and again. `text` says so."""

    text: str


@dataclass(frozen=True, kw_only=True)
class LostMemory(DeveloperWarning):
    """A tool has changed variables of its agent function, and will not be called again when the run is resumed."""

    tool: str
    variables: tuple[str, ...]
