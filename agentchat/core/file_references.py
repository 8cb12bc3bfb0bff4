"""References to files: what events, the inbox and the journal carry of a file. Its bytes stay in a storage.

A message with files is stored as a `StoredMessage`; one without is its text, as it always was.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class FileReference(TypedDict):
    """One file, as JSON names it. `width` and `height` are those of an image."""

    id: str
    name: str
    contentType: str
    size: int
    sha256: str
    width: NotRequired[int]
    height: NotRequired[int]


class StoredMessage(TypedDict):
    """A message of a user with files, as the inbox and the step of its `input()` have it."""

    text: str
    files: list[FileReference]


def stored_message(text: str, files: Sequence[FileReference]) -> str | StoredMessage:
    """What is stored of a message."""
    return StoredMessage(text=text, files=list(files)) if files else text


def is_stored_message(value: Any) -> bool:
    """Whether an answer to a question for text is a message with files."""
    return isinstance(value, dict) and value.keys() == {"text", "files"}


def text_of_message(value: Any) -> Any:
    """The text of what was stored of a message; every other value as it is."""
    return value["text"] if is_stored_message(value) else value


def files_of_message(value: Any) -> list[FileReference]:
    """The files of what was stored of a message."""
    return references_in(value["files"]) if is_stored_message(value) else []


def references_in(value: Any) -> list[FileReference]:
    """Those of a stored list that can be relied upon: a database may hold anything."""
    if not isinstance(value, list):
        return []
    return [each for each in value if _is_reference(each)]


def _is_reference(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    if not isinstance(value.get("id"), str) or not _ID.fullmatch(value["id"]):
        return False  # it becomes a part of an address
    texts = all(isinstance(value.get(key), str) for key in ("name", "contentType", "sha256"))
    return texts and all(
        type(value.get(key, 0)) is int and value.get(key, 0) >= 0 for key in ("size", "width", "height")
    )
