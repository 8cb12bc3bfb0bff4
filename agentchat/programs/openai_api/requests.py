"""What an OpenAI client asks for, as JSON. What an agent function decides by itself, such as a temperature, is ignored;
what would change the meaning of the answer and is not possible is refused.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from agentchat.actions.seeding import ClientMessage, ClientRole
from agentchat.programs.errors import ProgramError
from agentchat.programs.threads import digest_of, history_of
from agentchat.programs.turns import MAX_HISTORY, MAX_NAME_CHARS, Said

_ROLES: dict[str, ClientRole] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
MAX_KEY_CHARS = 255


class _Part(BaseModel):
    """A part of a message. Only texts are understood."""

    model_config = ConfigDict(extra="ignore")

    type: str
    text: str = ""


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[_Part] | None = None

    @field_validator("content")
    @classmethod
    def only_text(cls, content: str | list[_Part] | None) -> str | list[_Part] | None:
        parts = content if isinstance(content, list) else []
        for part in parts:
            if part.type not in ("text", "refusal"):
                raise ValueError(f"only parts of the type 'text' are understood, not {part.type!r:.50}")
        return content

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content)
        return self.content or ""

    @property
    def as_said(self) -> ClientMessage:
        return ClientMessage(role=_ROLES[self.role], text=self.text)


class _StreamOptions(BaseModel):
    model_config = ConfigDict(extra="ignore")

    include_usage: bool = False


class CompletionRequest(BaseModel):
    """The body of `POST /v1/chat/completions`."""

    model_config = ConfigDict(extra="ignore")

    model: Annotated[str, Field(min_length=1, max_length=100)]
    messages: Annotated[list[_Message], Field(min_length=1, max_length=MAX_HISTORY)]
    stream: bool = False
    stream_options: _StreamOptions | None = None
    metadata: dict[str, str] | None = None
    n: int | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None

    @property
    def includes_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def said_before(self) -> list[tuple[str, str]]:
        return [(each.role, each.text) for each in self.messages[:-1]]

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(each.role, each.text) for each in self.messages]

    def check(self) -> None:
        """Raise ProgramError for what would not be what the client expects."""
        if self.messages[-1].role != "user":
            raise ProgramError(400, "last_message", "The last of the messages must be the user's.")
        unsupported = {
            "n": self.n not in (None, 1),
            "tools": bool(self.tools),
            "functions": bool(self.functions),
            "response_format": (self.response_format or {}).get("type", "text") != "text",
            "modalities": (self.modalities or ["text"]) != ["text"],
        }
        if wanted := [name for name, is_wanted in unsupported.items() if is_wanted]:
            raise ProgramError(
                400, "unsupported_parameter", f"{wanted[0]!r} is not possible here: the agent has tools of its own."
            )
        name = (self.metadata or {}).get("chat_id", "")
        if len(name) > MAX_NAME_CHARS or not name.isprintable():
            raise ProgramError(
                400, "invalid_chat_id", f"metadata.chat_id may have {MAX_NAME_CHARS} printable characters at most."
            )


def read_request(request: HttpRequest) -> CompletionRequest:
    """The request in the body. Raise ProgramError."""
    try:
        asked = CompletionRequest.model_validate_json(request.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        text = f"{where}: {first['msg']}" if where else first["msg"]
        raise ProgramError(400, "invalid_request", text) from error
    asked.check()
    return asked


def said_in(asked: CompletionRequest, headers: Mapping[str, str], body: bytes) -> Said:
    """What the request says, in which conversation, and whether it may have come before.

    The SDK sends a request again by itself, and says so; other clients name it with an Idempotency-Key.
    """
    name = (asked.metadata or {}).get("chat_id") or None
    key = headers.get("Idempotency-Key", "")[:MAX_KEY_CHARS]
    retries = headers.get("X-Stainless-Retry-Count", "")
    return Said(
        agent=asked.model,
        text=asked.messages[-1].text,
        thread=name,
        history=history_of(asked.said_before) if asked.said_before else "",
        earlier=[each.as_said for each in asked.messages[:-1] if each.text.strip()],
        request=digest_of("key", key) if key else digest_of("body", body.decode(errors="replace")),
        is_repeat=bool(key) or (retries.isdigit() and retries.strip("0") != ""),
    )
