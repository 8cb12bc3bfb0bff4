"""What a file is, judged by its content. A name only refines what content cannot tell: CSV, Markdown and JSON are text.

puremagic knows the signatures. Nothing is unpacked here: of archives only the directory is read.
"""

import codecs
import mimetypes
import re
import zipfile
from functools import cache
from typing import IO, Any

from agentchat.files.names import extension_of

UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
HEAD_BYTES = 64 * 1024
IMAGES = ("image/gif", "image/jpeg", "image/png", "image/webp")  # what is decoded, and made anew
MARKUP = ("image/svg+xml", "text/html", "application/xhtml+xml")  # what a browser would run
MAX_UNPACKED_BYTES = 512 * 1024 * 1024
MAX_RATIO = 200  # of what an archive says it unpacks to, to its own size
MAX_ENTRIES = 10_000
MAX_DIRECTORY_BYTES = 4 * 1024 * 1024  # of an archive: what lists its entries

_SAME = {
    "application/x-pdf": "application/pdf",
    "application/x-zip-compressed": "application/zip",
    "audio/mp3": "audio/mpeg",
    "audio/wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "image/jpg": "image/jpeg",
}
_MARKED_UP = re.compile(rb"<\s*(?:!doctype\s+html|html|head|body|script|iframe|svg)\b", re.IGNORECASE)
_OFFICE = {
    "word/": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xl/": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt/": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_CONTROLS = re.compile("[\0-\b\x0e-\x1a\x1c-\x1f]")  # not ESC, which logs of terminals have


class BadArchive(Exception):
    """It would unpack to far more than it is, or cannot be read."""


def certain_type_of(head: bytes) -> str:
    """The type of a file that begins like this, if its beginning leaves no doubt; "" otherwise."""
    return next((type_ for type_, matches in _CERTAIN if matches(head) and type_ != "application/zip"), "")


def judge(file: IO[bytes], name: str) -> str:
    """The content type of a seekable file. Raise BadArchive."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    found = _by_signature(head)
    if found == "application/zip":
        return _of_archive(file)
    if found:
        return found
    return _of_text(file, head, name)


def _by_signature(head: bytes) -> str:
    """Of signatures only those that are long enough to be no accident of a text."""
    for type_, matches in _CERTAIN:
        if matches(head):
            return type_
    if _looks_like_text(head):
        return ""
    import puremagic  # late: it reads its tables

    try:
        found = [each for each in puremagic.magic_string(head) if each.mime_type and len(each.byte_match) >= 4]
    except (puremagic.PureError, ValueError):  # nothing that it knows; nothing at all
        return ""
    type_ = _SAME.get(found[0].mime_type, found[0].mime_type) if found else ""
    # What these are is decided above: a file that only resembles them is none.
    return "" if type_.startswith("text/") or type_ in dict(_CERTAIN) else type_


_CERTAIN: tuple[tuple[str, Any], ...] = (
    ("image/png", lambda head: head.startswith(b"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", lambda head: head.startswith(b"\xff\xd8\xff")),
    ("image/gif", lambda head: head.startswith((b"GIF87a", b"GIF89a"))),
    ("image/webp", lambda head: head.startswith(b"RIFF") and head[8:12] == b"WEBP"),
    ("application/pdf", lambda head: head.startswith(b"%PDF-")),
    ("application/zip", lambda head: head.startswith((b"PK\x03\x04", b"PK\x05\x06"))),
    ("audio/wav", lambda head: head.startswith(b"RIFF") and head[8:12] == b"WAVE"),
    ("audio/flac", lambda head: head.startswith(b"fLaC")),
    ("audio/ogg", lambda head: head.startswith(b"OggS")),
    ("audio/mpeg", lambda head: head.startswith(b"ID3") or _is_mpeg_audio(head)),
    ("audio/mp4", lambda head: head[4:8] == b"ftyp" and head[8:11] in (b"M4A", b"M4B")),
    (
        "video/mp4",
        lambda head: head[4:8] == b"ftyp" and head[8:12] in (b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"M4V "),
    ),
    ("video/webm", lambda head: head.startswith(b"\x1aE\xdf\xa3") and b"webm" in head[:64]),
)


def _is_mpeg_audio(head: bytes) -> bool:
    return len(head) > 3 and head[0] == 0xFF and head[1] in (0xFB, 0xFA, 0xF3, 0xF2) and head[2] >> 4 not in (0, 15)


def _looks_like_text(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        return False
    return not _CONTROLS.search(text)


def _of_text(file: IO[bytes], head: bytes, name: str) -> str:
    """The type of a text in UTF-8 or, with a mark, UTF-16; of anything else, that it is unknown."""
    if not _is_text(file, "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"):
        return UNKNOWN
    named = mimetypes.guess_type(f"file{extension_of(name)}")[0] or TEXT
    # A browser that were told of markup would run it, so it is called what it is, whatever its name.
    if (found := _MARKED_UP.search(head)) and named not in ("text/markdown", "text/csv"):
        return "image/svg+xml" if found[0].lower().endswith(b"svg") else "text/html"
    return named if is_textual(named) and named != "image/svg+xml" else TEXT


def _is_text(file: IO[bytes], encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while piece := file.read(HEAD_BYTES):
            if _CONTROLS.search(decoder.decode(piece)):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


@cache
def is_textual(content_type: str) -> bool:
    """Whether files of this type are texts, which a page may show as such."""
    kind, _, subtype = content_type.partition("/")
    return kind == "text" or subtype in _TEXTUAL or subtype.endswith(("+json", "+xml"))


_TEXTUAL = {
    "json",
    "xml",
    "yaml",
    "x-yaml",
    "toml",
    "javascript",
    "x-javascript",
    "x-sh",
    "x-python",
    "sql",
    "x-ndjson",
}


def _of_archive(file: IO[bytes]) -> str:
    _check_directory(file)
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            names = [each.filename for each in entries]
            first = archive.read(entries[0])[:100] if names[:1] == ["mimetype"] and entries[0].file_size < 100 else b""
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError) as error:
        raise BadArchive(str(error)) from error
    packed = file.seek(0, 2)
    unpacked = sum(each.file_size for each in entries)
    if unpacked > MAX_UNPACKED_BYTES or unpacked > packed * MAX_RATIO or len(entries) > MAX_ENTRIES:
        raise BadArchive(f"{len(entries)} entries of {unpacked} bytes, in {packed}")
    if first.startswith(b"application/") and first.isascii():
        return first.decode().strip()
    if "[Content_Types].xml" in names:
        for folder, type_ in _OFFICE.items():
            if any(each.startswith(folder) for each in names):
                return type_
    return "application/zip"


_END, _END_OF_64 = b"PK\x05\x06", b"PK\x06\x07"
_END_BYTES, _LOCATOR_BYTES = 22, 20


def _check_directory(file: IO[bytes]) -> None:
    """Raise BadArchive before `zipfile` makes an object of each entry: a file of 50 MB may have a million.

    It looks for the end of the directory where `zipfile` does. An archive with the 64-bit form of it, which is for more
    than 65,535 entries or 4 GB, is refused.
    """
    size = file.seek(0, 2)
    file.seek(max(size - 2**16 - _END_BYTES - _LOCATOR_BYTES, 0))
    tail = file.read()
    plain = len(tail) - _END_BYTES
    has_no_comment = plain >= 0 and tail.startswith(_END, plain) and tail.endswith(b"\0\0")
    start = plain if has_no_comment else tail.rfind(_END)
    end = tail[start : start + _END_BYTES] if start >= 0 else b""
    if len(end) < _END_BYTES:
        raise BadArchive("its directory has no end")
    directory_bytes = int.from_bytes(end[12:16], "little")
    if directory_bytes > MAX_DIRECTORY_BYTES or tail[max(start - _LOCATOR_BYTES, 0) : start].startswith(_END_OF_64):
        raise BadArchive(f"its directory has {directory_bytes} bytes")
