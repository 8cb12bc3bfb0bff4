"""The files of a stream: those that an agent function sends, and those that it can find again."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from agentchat.core.file_events import FileSent
from agentchat.core.file_values import file_of
from agentchat.core.files import REFERENCE, File
from agentchat.core.steps import StepAttempt, step
from agentchat.errors import ConfigError
from agentchat.events import ChatEvent


class SendsFiles(Protocol):
    """A stream that takes events, and keeps files."""

    agent_name: str

    def send(self, event: ChatEvent) -> None: ...
    def keep_file(self, file: File, key: str) -> File: ...
    def find_file(self, reference: Mapping[str, Any] | str) -> File | None: ...


def send_file(stream: SendsFiles, name: str, data: Any, content_type: str, *, title: str) -> File:
    """Show a file to the user, and return it. A step: what was sent is neither made nor sent again."""
    sent: list[File] = []

    def call(attempt: StepAttempt) -> dict[str, Any]:
        sent.append(stream.keep_file(sendable(name, data, content_type, title=title), attempt.key))
        return sent[0].reference()

    def events(result: dict[str, Any]) -> list[ChatEvent]:
        return [FileSent(files=[result], name=stream.agent_name)]

    step_name = f"send_file {name}"
    reference = step(stream, "step", step_name, None, call, send=stream.send, events=events, retry_safe=True)
    found = sent[0] if sent else stream.find_file(reference)
    assert found is not None  # a stream that records finds what it has recorded
    return found


def sendable(name: str, data: Any, content_type: str, *, title: str) -> File:
    """The file to send. Raise ConfigError for what cannot be one."""
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"iostream.send_file(name={name!r:.100}): a file needs a name, such as 'report.pdf'")
    converted = file_of(data, name)
    if converted is None:
        return File(name, data, content_type, title=title)
    return File(name, converted.read(), content_type or converted.content_type, title=title or converted.title)


class FileFolder:
    """Files in memory, by their ids; on request, as files of this machine, in a folder of their own."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._folder: Path | None = None

    def keep(self, file: File) -> File:
        self._files[file.id] = file
        return file

    def find(self, reference: Mapping[str, Any] | str) -> File | None:
        return self._files.get(id_in(reference))

    def saved(self, file: File) -> Path:
        """Where the file is, from now on."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="agentchat-"))
        path = self._folder / file.id[:8] / file.name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(file.read())
        return path


def id_in(reference: Mapping[str, Any] | str) -> str:
    """The id of the file that a reference names: one of the journal, or one in a message to a model."""
    return reference.removeprefix(REFERENCE) if isinstance(reference, str) else str(reference["id"])
