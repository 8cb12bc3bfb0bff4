"""The frames that a client may send, as docs/protocol.md says; everything else is rejected.

Pure: a text goes in, a frame comes out or Rejected is raised. What a frame does is the consumer's responsibility.
"""

from typing import Annotated, Literal, TypeVar
from uuid import UUID

from django.utils.translation import gettext
from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from agentchat.errors import Rejected

MAX_FRAME_BYTES = 64 * 1024  # without a message
MAX_BYTES_PER_CHARACTER = 12  # as JSON may write it: an emoji as the escapes of two surrogates

T = TypeVar("T")


MessageId = Annotated[str, Field(max_length=100, pattern=r"^[^\x00]+$")]  # PostgreSQL takes no NUL


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Hello(_Frame):
    """Send me every event after `after` (a seq; 0 for all), then what is new. A client's first frame."""

    type: Literal["hello"]
    after: int = Field(ge=0, lt=2**53)


class ChatHello(Hello):
    """`html`: with each event, send the fragments of the page that it changes, and the block being written as HTML."""

    html: bool = False


class Send(_Frame):
    """A message. `id` is the client's own: sent twice, it counts once. `files`: the ids of uploads; then `text` may be
    empty.
    """

    type: Literal["send"]
    id: UUID
    text: str
    files: list[UUID] = Field(default=[], max_length=100)


class Answer(_Frame):
    """An answer to one question: a text, a decision, or a form, as the question's kind wants it."""

    type: Literal["answer"]
    id: UUID
    request: str = Field(max_length=100)
    value: JsonValue


class Stop(_Frame):
    """Stop the run."""

    type: Literal["stop"]


class Retry(_Frame):
    """Have an agent's message written again; without one, go on where the last run failed or was stopped."""

    type: Literal["retry"]
    id: UUID
    message: MessageId | None = None


class Edit(_Frame):
    """Replace a message of the user. `id` is the new message's."""

    type: Literal["edit"]
    id: UUID
    message: MessageId
    text: str


class Branch(_Frame):
    """Show the branch that goes on with this run."""

    type: Literal["branch"]
    id: UUID
    run: int = Field(ge=1, lt=2**31)


class Rate(_Frame):
    """How the user rates an agent's message; null withdraws the rating."""

    type: Literal["feedback"]
    id: UUID
    message: MessageId
    value: Literal["up", "down"] | None
    text: str = ""


class Ack(_Frame):
    """Received so far: `bytes` of payload on this socket, and the last `seq`."""

    type: Literal["ack"]
    seq: int = Field(ge=0, lt=2**53)
    bytes: int = Field(ge=0, lt=2**53)


class Ping(_Frame):
    type: Literal["ping"]


class Seen(_Frame):
    """The user has seen this chat: its failure is no news any more. Only on the socket of a list of chats."""

    type: Literal["seen"]
    chat: UUID


Frame = ChatHello | Send | Answer | Stop | Retry | Edit | Branch | Rate | Ack | Ping

ListFrame = Hello | Ack | Ping | Seen

_frames: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="type")])
_list_frames: TypeAdapter[ListFrame] = TypeAdapter(Annotated[ListFrame, Field(discriminator="type")])


def max_frame_bytes(max_message_chars: int) -> int:
    """The limit of a frame of a chat: a message of so many characters fits, in any script, however it is escaped."""
    return MAX_FRAME_BYTES + MAX_BYTES_PER_CHARACTER * max_message_chars


def parse(text: str | None, *, max_bytes: int) -> Frame:
    """The frame in a websocket message. Raise Rejected, with a code that docs/protocol.md explains."""
    return _parse(text, _frames, max_bytes)


def parse_of_list(text: str | None) -> ListFrame:
    """The same for the socket of a list of chats."""
    return _parse(text, _list_frames, MAX_FRAME_BYTES)


def _parse(text: str | None, frames: TypeAdapter[T], max_bytes: int) -> T:
    if text is None:
        raise Rejected("not_text", "Frames must be text, not bytes.")
    if len(text) > max_bytes or len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise Rejected("too_large", gettext("This is too long to be sent. Please shorten it."))
    try:
        return frames.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        code = "bad_json" if first["type"] == "json_invalid" else "bad_frame"
        where = ".".join(str(part) for part in first["loc"])
        raise Rejected(code, f"{where}: {first['msg']}" if where else first["msg"]) from error
