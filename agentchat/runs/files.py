"""The part of a run's stream that has files: those of the user's messages, and those that the agent function sends.

The journal has references, and the bytes are where `agentchat.files` keeps them. A file that is sent has an id that is
made of its step's key: made again after a crash, it is the same one.
"""

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any, BinaryIO, Protocol, cast

from agentchat import files
from agentchat.core.file_references import files_of_message, text_of_message
from agentchat.core.files import File, MessageText
from agentchat.errors import ConfigError
from agentchat.infra.database import RUN_TIMEOUT_SECONDS, retry_transaction
from agentchat.io.files import id_in
from agentchat.models import ChatSession, Run, StoredFile
from agentchat.runs.async_bridge import outside_event_loops
from agentchat.runs.journal import Journal

_NAMESPACE = uuid.UUID("2b0d7b1e-9a35-4a0f-8a5c-0b6f3f1f6f4d")


class _HasFiles(Protocol):
    """What a run's stream has for this."""

    session: ChatSession
    _journal: Journal


class RunFiles:
    """The part of a run's stream that has files. From any thread of the run."""

    @outside_event_loops
    def keep_file(self: _HasFiles, file: File, key: str) -> File:
        """See `IOStream.keep_file`. Raise ConfigError for a file that the site does not keep, as one that is too large.

        Blocks until it is stored.
        """
        session, claim = self.session, self._journal.claim

        def store(is_retry: bool) -> StoredFile:
            with file.open() as contents:
                return files.store_file(
                    session,
                    file.name,
                    contents,
                    run=Run(pk=claim.run_id),
                    content_type=file.content_type,
                    key=uuid.uuid5(_NAMESPACE, key),
                )

        try:
            row = retry_transaction(store, timeout=RUN_TIMEOUT_SECONDS)
        except ValueError as error:
            raise ConfigError(f"file {file.name!r} ({file.size_text}) cannot be kept: {error}") from error
        return _file_of(session.pk, row, title=file.title)

    @outside_event_loops
    def find_file(self: _HasFiles, reference: Mapping[str, Any] | str) -> File | None:
        """See `IOStream.find_file`."""
        session_id = self.session.pk
        if not isinstance(reference, str):
            return File.stored(reference, _StoredContents(session_id, id_in(reference)))
        row = _row_of(session_id, id_in(reference))
        return None if row is None else _file_of(session_id, row)

    def _message(self, answer: Any) -> MessageText:
        """A message of the user's, as it was recorded: a text, or one with files."""
        found = map(cast(Any, self).find_file, files_of_message(answer))
        return MessageText(str(text_of_message(answer)), [file for file in found if file is not None])


class _StoredContents:
    """Opens a stored file, in any thread. Only to locate it, at first, takes the database."""

    def __init__(self, session_id: uuid.UUID, file_id: str, row: StoredFile | None = None) -> None:
        self._session_id, self._file_id, self._row = session_id, file_id, row

    def locate(self) -> None:
        """Find out where it is: for those who open it in a thread that has no database."""
        self._row = self._row or _row_of(self._session_id, self._file_id)

    def __call__(self) -> BinaryIO:
        self.locate()
        if self._row is None:
            raise FileNotFoundError(f"file {self._file_id} of chat session {self._session_id} is not there any more")
        return cast(BinaryIO, files.open_file(self._row))


def _row_of(session_id: uuid.UUID, file_id: str) -> StoredFile | None:
    try:
        find = partial(files.find_file, session_id, uuid.UUID(file_id))
    except ValueError:  # a model has made it up
        return None
    return retry_transaction(lambda _: find(), timeout=RUN_TIMEOUT_SECONDS)


def _file_of(session_id: uuid.UUID, row: StoredFile, *, title: str = "") -> File:
    reference = {**files.reference_of(row), **({"title": title} if title else {})}
    return File.stored(reference, _StoredContents(session_id, str(row.pk), row))
