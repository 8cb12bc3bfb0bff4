"""Files, as agent functions and agents have them: what a user attached, what a tool returned, what is sent to a user.

A `File` is a value with a name, a type and a size; its bytes are read when somebody asks for them, from memory, from a
disk, or from where a chat session keeps its files. Messages hold references (`ContentReference`) and never bytes: those
are put in when a request to a model is sent (`llm.file_parts`).
"""

import hashlib
import io
import mimetypes
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any, BinaryIO, Literal, SupportsIndex

from agentchat.core.file_text import text_in
from agentchat.errors import ConfigError

Data = bytes | bytearray | memoryview | str | os.PathLike[str]
"""What a file can be made of: bytes, a text, or the path of a file on this machine."""

PartKind = Literal["image", "file", "audio"]
"""The kinds of files that models read by themselves; they read the text of any other."""

REFERENCE = "agentchat-file:"
MAX_NAME_CHARS = 255

_IMAGES = ("image/png", "image/jpeg", "image/webp", "image/gif")
_AUDIO = {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/wave": "wav", "audio/x-wav": "wav"}
_HOLDERS, _DATA = ("image_url", "file", "input_audio"), ("url", "file_data", "data")  # of parts
_NAMESPACE = uuid.UUID("6f6c1c0e-52a7-4b7b-8d8e-2f2c2f0c9f3a")


class File:
    """A file. `name` has no path, `size` is in bytes, `sha256` of its contents in hexadecimal.

    Made of bytes, a text or a path (which is read at once); without a `content_type` that is judged by the contents and
    the name. `title` says what is in it, for those who cannot see a picture. Two files are equal if they have one `id`.
    """

    def __init__(self, name: str, data: Data, content_type: str = "", *, title: str = "") -> None:
        contents = _bytes_of(data)
        self._set(
            name=clean_name(name),
            content_type=content_type or judged_type(contents, name),
            size=len(contents),
            sha256=hashlib.sha256(contents).hexdigest(),
            title=title,
            opener=lambda: io.BytesIO(contents),
        )
        self.id = str(uuid.uuid5(_NAMESPACE, f"{self.sha256} {self.name}"))  # the same in each process

    def _set(
        self, *, name: str, content_type: str, size: int, sha256: str, title: str, opener: Callable[[], BinaryIO]
    ) -> None:
        self.name, self.content_type, self.size, self.sha256, self.title = name, content_type, size, sha256, title
        self._opener = opener
        self._pixels: dict[str, int] = {}

    @classmethod
    def stored(cls, reference: Mapping[str, Any], opener: Callable[[], BinaryIO]) -> "File":
        """The file that a reference stands for, which is kept elsewhere. `opener` may raise OSError."""
        file = cls.__new__(cls)
        file._set(
            name=str(reference["name"]),
            content_type=str(reference["contentType"]),
            size=int(reference["size"]),
            sha256=str(reference.get("sha256", "")),
            title=str(reference.get("title") or ""),
            opener=opener,
        )
        file.id = str(reference["id"])
        file._pixels = {key: reference[key] for key in ("width", "height") if reference.get(key)}
        return file

    def locate(self) -> None:
        """Find out where a stored file is, so that any thread can open it. Blocks."""
        if locate := getattr(self._opener, "locate", None):
            locate()

    def open(self) -> BinaryIO:
        """Its bytes, to be read and closed. Raise OSError if it is not there any more."""
        return self._opener()

    def read(self) -> bytes:
        """All its bytes. Raise OSError if it is not there any more."""
        with self.open() as contents:
            return contents.read()

    def text(self) -> str:
        """The text in it: of a text file, a PDF, or a document of an office program (needs `agentchat[office]`).

        A scanned page has none. May take seconds, and MAX_WAIT_SECONDS at most. Raise FileUnreadable for what has no
        text, or cannot be read, and OSError if it is not there any more.
        """
        return text_in(self._opener, name=self.name, content_type=self.content_type, sha256=self.sha256)

    def as_content(self) -> dict[str, Any]:
        """A part for the content of a message to a model, with a reference in place of the bytes."""
        reference = ContentReference(self)
        match self.kind:
            case "image":
                return {"type": "image_url", "image_url": {"url": reference}}
            case "audio":
                return {"type": "input_audio", "input_audio": {"data": reference, "format": self.audio_format}}
        return {"type": "file", "file": {"filename": self.name, "file_data": reference}}

    @property
    def kind(self) -> PartKind | None:
        """As what a model can read it by itself; None: as text at most."""
        if self.content_type in _IMAGES:
            return "image"
        if self.content_type == "application/pdf":
            return "file"
        return "audio" if self.content_type in _AUDIO else None

    @property
    def audio_format(self) -> str:
        return _AUDIO.get(self.content_type, "")

    @property
    def size_text(self) -> str:
        """The size as people and models read it."""
        if self.size < 1000:
            return f"{self.size} bytes"
        return f"{self.size / 1000:.1f} kB" if self.size < 10**6 else f"{self.size / 10**6:.1f} MB"

    def reference(self) -> dict[str, Any]:
        """What events and the journal keep of it: JSON."""
        named = {"id": self.id, "name": self.name, "contentType": self.content_type, "size": self.size}
        return {**named, "sha256": self.sha256, **self._pixels, **({"title": self.title} if self.title else {})}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, File) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __deepcopy__(self, memo: object) -> "File":
        return self  # it does not change

    def __repr__(self) -> str:
        return f"File({self.name!r}, {self.content_type}, {self.size_text})"


class ContentReference(str):
    """Stands for the bytes of a file in a part of a message. As JSON it is a plain text, which names the file."""

    file: File

    def __new__(cls, file: File) -> "ContentReference":
        reference = super().__new__(cls, REFERENCE + file.id)
        reference.file = file
        return reference

    def __deepcopy__(self, memo: object) -> "ContentReference":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)  # an opener cannot be pickled


class MessageText(str):
    """What a user wrote: a `str`, with the `files` that they attached to it.

    Stripped, or joined with other text by `+`, it keeps them; other methods return a plain `str`.
    """

    files: tuple[File, ...]

    def __new__(cls, text: str = "", files: Iterable[File] = ()) -> "MessageText":
        message = super().__new__(cls, text)
        message.files = tuple(files)
        return message

    def strip(self, chars: str | None = None, /) -> "MessageText":
        return MessageText(super().strip(chars), self.files)

    def lstrip(self, chars: str | None = None, /) -> "MessageText":
        return MessageText(super().lstrip(chars), self.files)

    def rstrip(self, chars: str | None = None, /) -> "MessageText":
        return MessageText(super().rstrip(chars), self.files)

    def __add__(self, other: str, /) -> "MessageText":
        return MessageText(super().__add__(other), (*self.files, *files_of_text(other)))

    def __radd__(self, other: str, /) -> "MessageText":
        return MessageText(other + str(self), self.files)

    def __deepcopy__(self, memo: object) -> "MessageText":
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        return str, (str(self),)


def files_of_text(text: object) -> tuple[File, ...]:
    """The files of a text that may have some."""
    return text.files if isinstance(text, MessageText) else ()


def references_in(part: Any) -> list[str]:
    """The references to files in a part: one, or none."""
    if not isinstance(part, Mapping):
        return []
    held = [part.get(name) for name in _HOLDERS]
    data = [each.get(name) if isinstance(each, Mapping) else each for each in held for name in _DATA]
    return list(dict.fromkeys(each for each in data if isinstance(each, str) and each.startswith(REFERENCE)))


def clean_name(name: str) -> str:
    """A name without a path, control characters and marks that turn the direction of text."""
    last = PurePath(str(name).replace("\\", "/")).name
    kept = "".join(character for character in last if character.isprintable()).strip(" .")
    return kept[-MAX_NAME_CHARS:] or "file"


def judged_type(contents: bytes, name: str) -> str:
    """The content type of these bytes: by their first ones if those tell it, else by the name."""
    import puremagic  # late: it reads its table of signatures

    named = mimetypes.guess_type(str(name))[0] or ""
    try:
        judged = str(puremagic.from_string(contents[:4096], mime=True, filename=str(name)) or "")
    except (puremagic.PureError, ValueError):
        judged = ""
    if judged and not is_text(contents):
        return judged
    return named or judged or ("text/plain" if is_text(contents) else "application/octet-stream")


def is_text(contents: bytes) -> bool:
    """Whether these bytes are a text in UTF-8. Empty ones are."""
    try:
        return "\0" not in contents.decode()
    except UnicodeDecodeError:
        return False


def _bytes_of(data: Any) -> bytes:
    match data:
        case bytes() | bytearray() | memoryview():
            return bytes(data)
        case str():
            return data.encode("utf-8", "replace")
        case os.PathLike():
            with open(data, "rb") as contents:
                return contents.read()
    if callable(read := getattr(data, "read", None)):
        read_data = read()
        return read_data.encode() if isinstance(read_data, str) else bytes(read_data)
    raise ConfigError(f"a file cannot be made of {data!r:.100}: use bytes, a text, a path or an open file")
