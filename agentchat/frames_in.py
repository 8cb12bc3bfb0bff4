"""The frames that a client may send, as docs/protocol.md says; everything else is rejected.

Pure: a text goes in, a frame comes out or Rejected is raised. What a frame does is the consumer's affair.
"""

from typing import Annotated, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError

from agentchat.errors import Rejected

MAX_FRAME_BYTES = 64 * 1024

T = TypeVar("T")


MessageId = Annotated[str, Field(max_length=100, pattern=r"^[^\x00]+$")]  # no database looks for NUL


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Hello(_Frame):
    """Catch me up from `after` (a seq; 0 for all), then keep me live. The first frame of a watcher."""

    type: Literal["hello"]
    after: int = Field(ge=0, lt=2**53)


class Send(_Frame):
    """A message. `id` is the client's own: sent twice, it counts once."""

    type: Literal["send"]
    id: UUID
    text: str


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
    """Say this instead of that message of the person's own. `id` is the new message's."""

    type: Literal["edit"]
    id: UUID
    message: MessageId
    text: str


class Branch(_Frame):
    """Look at the branch that goes on with this run."""

    type: Literal["branch"]
    id: UUID
    run: int = Field(ge=1, lt=2**31)


class Feedback(_Frame):
    """What the person thinks of an agent's message; null for nothing any more."""

    type: Literal["feedback"]
    id: UUID
    message: MessageId
    value: Literal["up", "down"] | None
    text: str = ""


class Ack(_Frame):
    """Seen so far: `bytes` of payload received on this socket, and the last `seq`."""

    type: Literal["ack"]
    seq: int = Field(ge=0, lt=2**53)
    bytes: int = Field(ge=0, lt=2**53)


class Ping(_Frame):
    type: Literal["ping"]


class Seen(_Frame):
    """The person has looked at this chat: how it has ended is no news. Only of the socket of a list of chats."""

    type: Literal["seen"]
    chat: UUID


Frame = Hello | Send | Answer | Stop | Retry | Edit | Branch | Feedback | Ack | Ping

ListFrame = Hello | Ack | Ping | Seen

_frames: TypeAdapter[Frame] = TypeAdapter(Annotated[Frame, Field(discriminator="type")])
_list_frames: TypeAdapter[ListFrame] = TypeAdapter(Annotated[ListFrame, Field(discriminator="type")])


def parse(text: str | None) -> Frame:
    """The frame in a websocket message. Raise Rejected, with a code that docs/protocol.md explains."""
    return _parse(text, _frames)


def parse_of_list(text: str | None) -> ListFrame:
    """The same for the socket of a list of chats."""
    return _parse(text, _list_frames)


def _parse(text: str | None, frames: TypeAdapter[T]) -> T:
    if text is None:
        raise Rejected("not_text", "Frames are text, not bytes.")
    if len(text) > MAX_FRAME_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES:
        raise Rejected("too_large", f"A frame has at most {MAX_FRAME_BYTES} bytes.")
    try:
        return frames.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        code = "bad_json" if first["type"] == "json_invalid" else "bad_frame"
        where = ".".join(str(part) for part in first["loc"])
        raise Rejected(code, f"{where}: {first['msg']}" if where else first["msg"]) from error
