"""Files in a request to a model: as the parts of a message that its service takes, or as text with a note.

Until a request is sent, its messages refer to files and have no bytes (`core.files`): neither the journal, nor the
cache, nor the log ever has them. Which kinds of files a service takes is in its profile; what it refuses is remembered
for as long as the process lives.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentchat.core.file_text import is_text_type
from agentchat.core.files import File, PartKind, references_in
from agentchat.core.log import get_logger
from agentchat.errors import FileUnreadable
from agentchat.llm.learned import Learned

logger = get_logger("agentchat.llm")

Message = dict[str, Any]
Media = frozenset[PartKind]

MAX_TEXT_CHARS = 100_000  # of one file
MAX_REQUEST_CHARS = 400_000  # of all files whose text is sent

_PLURALS: dict[PartKind, str] = {"image": "pictures", "file": "PDF files", "audio": "recordings"}
_PICTURES = "The pictures that the tools have returned:"


@dataclass(frozen=True, kw_only=True)
class FileLimits:
    """How much is sent to a model, in bytes: of one file, and of all files in a request, the newest first."""

    file: int = 10 * 10**6
    request: int = 20 * 10**6


file_limits: Callable[[], FileLimits] = FileLimits
"""A seam: Django's settings replace this function."""


# --- what a service takes ---------------------------------------------------------------------------------------------

_refused: Learned[Media] = Learned()

_ABOUT: dict[PartKind, re.Pattern[str]] = {
    "image": re.compile(r"image|vision|visual|multi-?modal|picture", re.IGNORECASE),
    "file": re.compile(r"\bfiles?\b|_file\b|\bpdfs?\b|document", re.IGNORECASE),
    "audio": re.compile(r"audio", re.IGNORECASE),
}
_NOT_TAKEN = re.compile(
    r"not[ _](currently )?(support|accept|enabled|available|allowed|permitted|a multi|process)|unsupported|no endpoints"
    r"|(cannot|can't|can not|unable to) (process|handle|accept|read|take|see)|only (be )?(supported|available|accepted)"
    r"|text[- ]only|unknown (variant|type|content|part)|at most 0|mmproj|missing data required|invalid (content )?type"
    r"|supported values|expected .{0,20}(text|string)|(must|should) be .{0,20}string|valid string|no .{0,20}capabilit",
    re.IGNORECASE | re.DOTALL,
)
_ONLY_TEXT = re.compile(
    r"content\S{0,20} (must|should) be .{0,20}string|content.{0,60}valid string|unknown variant|expected .{0,20}text"
    r"|text[- ]only",
    re.IGNORECASE | re.DOTALL,
)
_ABOUT_THIS_ONE = re.compile(
    r"unsupported (image|file|audio)\b|(image|file|audio)[ _](format|type|size)|too (large|big|many|long|small)"
    r"|exceed|dimension|resolution|decod|corrupt|damaged|at most [1-9]|parse_error|password|encrypted|\bpages?\b"
    r"|(could|can) ?not (process|read|open|parse) (the |this |your )?(image|file|audio|pdf)\b"
    r"|invalid[ _](image|file|audio|base64|pdf)\b",
    re.IGNORECASE,
)


def media_for(media: Media, *, base_url: str, model: str) -> Media:
    """Those of these kinds that the service has not refused."""
    return media - (_refused.of(base_url, model) or frozenset())


def refused_kinds(words: str, sent: Media, *, base_url: str, model: str) -> Media:
    """The kinds of files that a service has refused, with these words, of those that were sent.

    They are remembered, unless the words are about a file of this request: another one may be accepted.
    """
    words = words.partition("(HTTP ")[2] or words  # without the model's name, which may be "…-audio"
    about: Media = frozenset(kind for kind in sent if _ABOUT[kind].search(words))
    if about and _ABOUT_THIS_ONE.search(words):
        return about
    if _ONLY_TEXT.search(words):
        about = about or sent
    elif not _NOT_TAKEN.search(words):
        return frozenset()
    if about:
        _refused.learn(base_url, model, about | (_refused.of(base_url, model) or frozenset()))
    return about


def forget_learned() -> None:
    _refused.forget()


# --- the messages of a request ----------------------------------------------------------------------------------------


def kinds_in(messages: Iterable[Mapping[str, Any]], files: Mapping[str, File]) -> Media:
    """The kinds of the files that these messages refer to."""
    kinds = (file.kind for message in messages for file in _files_of(message, files))
    return frozenset(kind for kind in kinds if kind is not None)


def with_pictures_after_results(
    messages: Sequence[Mapping[str, Any]], files: Mapping[str, File], media: Media
) -> Sequence[Mapping[str, Any]]:
    """The messages, in which tools' results are texts. What pictures they have, the user shows after them.

    The result of a tool can be nothing but text in most services.
    """
    if not files:
        return messages
    ordered: list[Mapping[str, Any]] = []
    pictures: list[Any] = []
    for message in messages:
        if message.get("role") not in ("tool", "function"):
            ordered += _shown_by_user(pictures)
            pictures = []
        elif isinstance(content := message.get("content"), list) and any(map(references_in, content)):
            pictures += [part for part in content if _kind_of(part, files) == "image" and "image" in media]
            texts = [str(part.get("text", "")) for part in content if part.get("type") == "text"]
            message = {**message, "content": "\n".join(texts)}
        ordered.append(message)
    return ordered + _shown_by_user(pictures)


def _shown_by_user(pictures: Sequence[Any]) -> list[Mapping[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": _PICTURES}, *pictures]}] if pictures else []


def with_data(body: Mapping[str, Any], files: Mapping[str, File], media: Media) -> dict[str, Any]:
    """The body of a request with its files in it. Blocks: it reads them."""
    reader = _FileReader(files, media)
    messages = [reader.message(message) for message in reversed(body["messages"])]  # the newest first
    return {**body, "messages": messages[::-1]}


def _files_of(message: Mapping[str, Any], files: Mapping[str, File]) -> Iterator[File]:
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        yield from (files[each] for each in references_in(part) if each in files)


def _kind_of(part: Any, files: Mapping[str, File]) -> PartKind | None:
    return next((files[each].kind for each in references_in(part) if each in files), None)


class _FileReader:
    """Puts the files into the messages of one request, as far as its limits go."""

    def __init__(self, files: Mapping[str, File], media: Media) -> None:
        self._files, self._media, self._limits = files, media, file_limits()
        self._bytes_left, self._chars_left = self._limits.request, MAX_REQUEST_CHARS

    def message(self, message: Message) -> Message:
        content = message.get("content")
        if not isinstance(content, list) or not any(map(references_in, content)):
            return message
        parts = [self._part(part, references[0]) if (references := references_in(part)) else part for part in content]
        if all(part.get("type") == "text" for part in parts):
            return {**message, "content": "\n\n".join(str(part["text"]) for part in parts)}
        return {**message, "content": parts}

    def _part(self, part: Mapping[str, Any], reference: str) -> Message:
        file = self._files.get(reference)
        if file is None:
            return _text("[A file that is not there any more]")
        try:
            return self._as_part(file, part) if file.kind in self._media else self._as_text(file)
        except OSError:
            return self._note(file, "is not there any more")

    def _as_part(self, file: File, part: Mapping[str, Any]) -> Message:
        if file.size > self._limits.file:
            return self._too_large(file)
        if file.size > self._bytes_left:
            limit = _megabytes(self._limits.request)
            return self._note(file, f"is not attached: {limit} of files are sent at most, the newest first")
        self._bytes_left -= file.size
        data = base64.b64encode(file.read()).decode()
        url = f"data:{file.content_type};base64,{data}"
        match file.kind:
            case "image":
                given = part.get("image_url")
                detail = {"detail": given["detail"]} if isinstance(given, Mapping) and given.get("detail") else {}
                return {"type": "image_url", "image_url": {"url": url, **detail}}
            case "audio":
                return {"type": "input_audio", "input_audio": {"data": data, "format": file.audio_format}}
        return {"type": "file", "file": {"filename": file.name, "file_data": url}}

    def _as_text(self, file: File) -> Message:
        if file.kind in ("image", "audio"):
            return self._note(file, f"is attached, but you cannot read it: this model takes no {_PLURALS[file.kind]}")
        if file.size > self._limits.file and not is_text_type(file.content_type):
            return self._too_large(file)
        try:
            text = file.text()
        except FileUnreadable as error:
            return self._note(file, f"is attached, but you cannot read it: {error}")
        if not text.strip():
            return self._note(file, "is attached, and has no text")
        kept = text[: min(MAX_TEXT_CHARS, self._chars_left)]
        self._chars_left -= len(kept)
        cut = f"\n[the first {len(kept):,} of {len(text):,} characters]" if len(kept) < len(text) else ""
        return _text(f"[The text of file {_named(file)}]\n{kept}{cut}\n[The end of file {file.name}]")

    def _too_large(self, file: File) -> Message:
        limit = _megabytes(self._limits.file)
        logger.warning("%s of %s is not sent to the model: a file may have %s", file.name, file.size_text, limit)
        return self._note(file, f"is too large for you to read: a file may have {limit}. Say so")

    def _note(self, file: File, what: str) -> Message:
        return _text(f"[File {_named(file)} {what}]")


def _named(file: File) -> str:
    return f"{file.name} ({file.content_type}, {file.size_text})"


def _text(text: str) -> Message:
    return {"type": "text", "text": text}


def _megabytes(count: int) -> str:
    return f"{count / 10**6:g} MB"
