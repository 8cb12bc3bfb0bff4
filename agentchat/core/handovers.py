"""What people say instead of the agent: the value that `iostream.hand_over()` returns, and how a model reads of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from agentchat.core.addressees import Addressee, addressee_of, owner
from agentchat.errors import ConfigError

MAX_SUMMARY_CHARS = 10_000


@dataclass(frozen=True, kw_only=True)
class HandoverMessage:
    """What somebody said: the owner of the chat, or a member of staff, under their public name.

    `files` are references to what they attached (`iostream.find_file`).
    """

    role: Literal["owner", "staff"]
    name: str
    content: str
    files: tuple[Mapping[str, Any], ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if value or key != "files"}


@dataclass(frozen=True, kw_only=True)
class HandoverResult:
    """What came of a handover. `taken`: somebody came; `messages`: what they and the owner said, in order."""

    taken: bool
    messages: tuple[HandoverMessage, ...] = ()

    @property
    def history(self) -> list[dict[str, str]]:
        """The messages as a model reads them: role and content of each."""
        return [{"role": _ROLES[each.role], "content": content_for_model(each)} for each in self.messages]

    def as_json(self) -> dict[str, Any]:
        return {"taken": self.taken, "messages": [each.as_json() for each in self.messages]}

    @classmethod
    def of_json(cls, stored: Any) -> "HandoverResult":
        return cls(
            taken=bool(stored["taken"]),
            messages=tuple(
                HandoverMessage(
                    role=each["role"], name=each["name"], content=each["content"], files=tuple(each.get("files") or ())
                )
                for each in stored["messages"]
            ),
        )


_ROLES = {"owner": "user", "staff": "assistant"}


def content_for_model(message: HandoverMessage) -> str:
    """A model has no role for staff: their messages come from its own side, and say who speaks."""
    return staff_content(message.name, message.content) if message.role == "staff" else message.content


def staff_content(name: str, content: str) -> str:
    return f"{name} (staff, not the assistant): {content}"


def handover_addressee(to: Any) -> Addressee:
    """To whom a chat is handed over. Raise ConfigError for what is nobody, or its owner."""
    if to is None or to == owner():
        raise ConfigError(f"hand_over(to={to!r}): a chat is handed over to somebody else than its owner")
    return addressee_of(to)


def check_summary(summary: str) -> str:
    """Raise ConfigError for what staff could not read."""
    if not isinstance(summary, str) or len(summary) > MAX_SUMMARY_CHARS:
        raise ConfigError(f"hand_over(summary={summary!r:.200}): use a text of {MAX_SUMMARY_CHARS} characters at most")
    return summary


class _TextStream(Protocol):
    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None: ...

    def input(self, prompt: str = "", *, password: bool = False) -> str: ...

    @property
    def said(self) -> Sequence[dict[str, str]]: ...

    def forget_since(self, count: int) -> None: ...

    def remember(self, role: str, content: str) -> None: ...


def hand_over_by_text(stream: _TextStream, to: Addressee, summary: str) -> HandoverResult:
    """On a text stream, whoever sits there types what staff say. Blocks until an empty line gives the chat back."""
    stream.print(f"Handed over to {to}. {summary}".rstrip())
    stream.print("Type what they say; an empty line gives the chat back.")
    before = len(stream.said)
    texts = list(_lines(stream))
    stream.forget_since(before)  # the user has not said it
    messages = tuple(HandoverMessage(role="staff", name="staff", content=text) for text in texts)
    result = HandoverResult(taken=bool(messages), messages=messages)
    for each in result.history:
        stream.remember(each["role"], each["content"])
    return result


def _lines(stream: _TextStream) -> Iterable[str]:
    while (text := stream.input("staff: ")).strip():
        yield text
