"""Names of files, which come from anywhere: as people see them, never as a path in a storage."""

import mimetypes
import re
import unicodedata

from agentchat.core.text import replace_lone_surrogates

MAX_CHARS = 120
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)", re.IGNORECASE)  # devices on Windows
_FORBIDDEN = re.compile(r'[<>:"|?*]')
# What `mimetypes` of some systems does not know, or calls by another name.
_EXTENSIONS = {
    "application/pdf": (".pdf",),
    "application/zip": (".zip",),
    "audio/flac": (".flac",),
    "audio/mp4": (".m4a", ".mp4"),
    "audio/mpeg": (".mp3",),
    "audio/ogg": (".ogg", ".oga", ".opus"),
    "audio/wav": (".wav",),
    "audio/webm": (".webm", ".weba"),
    "image/gif": (".gif",),
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png",),
    "image/svg+xml": (".svg",),
    "image/webp": (".webp",),
    "text/html": (".html", ".htm"),
    "video/mp4": (".mp4", ".m4v"),
    "video/webm": (".webm",),
}


def clean_name(name: str) -> str:
    """The name without a path, and without characters that cannot be seen or that hide what follows them.

    Directional marks are among these: "photo\\u202egnp.exe" would be shown as "photoexe.png".
    """
    name = replace_lone_surrogates(unicodedata.normalize("NFC", name)).replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(
        each if each.isprintable() else " " for each in name if unicodedata.category(each) not in ("Cf", "Cc")
    )
    name = " ".join(_FORBIDDEN.sub("_", name).split()).strip(". ")
    if _RESERVED.match(name):
        name = f"_{name}"
    return _shortened(name) or "file"


def with_extension(name: str, content_type: str) -> str:
    """The name with an extension that says what the file is, if it has another one or none."""
    extensions = extensions_of(content_type)
    if not extensions or extension_of(name) in extensions:
        return name
    return _shortened(name, room=len(extensions[0])) + extensions[0]


def extensions_of(content_type: str) -> tuple[str, ...]:
    """Those that files of this type have, the usual one first; none where any will do."""
    if content_type in ("application/octet-stream", "text/plain"):
        return ()
    return _EXTENSIONS.get(content_type) or tuple(mimetypes.guess_all_extensions(content_type))


def extension_of(name: str) -> str:
    """Its last extension in small letters, with the dot; "" if it has none."""
    stem, dot, extension = name.rpartition(".")
    return f".{extension.lower()}" if dot and stem and len(extension) <= 15 else ""


def _shortened(name: str, room: int = 0) -> str:
    if len(name) <= MAX_CHARS - room:
        return name
    extension = extension_of(name)
    return name[: MAX_CHARS - room - len(extension) - 1].rstrip(". ") + "…" + extension
