"""The files in a request to a model, in either dialect: as a test reads them, and as a service checks them."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>[A-Za-z0-9+/=]*)")
_KINDS = {
    "messages": ("text", "refusal", "image_url", "input_audio", "file"),
    "input": ("input_text", "output_text", "refusal", "input_image", "input_file"),
}


@dataclass(frozen=True, kw_only=True)
class SentFile:
    """A file as a model gets it. `kind` is the type of its part; an image has no name."""

    kind: str
    name: str = ""
    content_type: str
    data: bytes


def files_in(request: Mapping[str, Any]) -> list[SentFile]:
    """The files of a request, in their order. Raise ValueError for a part that no service would take."""
    known = _KINDS["input" if "input" in request else "messages"]
    return [file for part in _parts(request) if (file := _file_of(part, known)) is not None]


def _parts(request: Mapping[str, Any]) -> Iterator[Any]:
    said = request.get("input") if "input" in request else request.get("messages")
    for message in said if isinstance(said, list) else ():
        content = message.get("content") if isinstance(message, Mapping) else None
        yield from content if isinstance(content, list) else ()


def _file_of(part: Any, known: tuple[str, ...]) -> SentFile | None:
    if not isinstance(part, Mapping) or part.get("type") not in known:
        found = part.get("type") if isinstance(part, Mapping) else part
        raise ValueError(f"Invalid value: {found!r}. Supported values are: {', '.join(known)}")
    match part:
        case {"type": "image_url", "image_url": {"url": url}} | {"type": "input_image", "image_url": url}:
            return _of_url(str(part["type"]), "", url)
        case {"type": "file", "file": {"filename": name, "file_data": url}}:
            return _of_url("file", name, url)
        case {"type": "input_file", "filename": name, "file_data": url}:
            return _of_url("input_file", name, url)
        case {"type": "input_audio", "input_audio": {"data": data, "format": format_}}:
            return SentFile(kind="input_audio", content_type=f"audio/{format_}", data=_decoded(data))
        case {"type": "text" | "input_text" | "output_text" | "refusal"}:
            return None
    raise ValueError(f"Missing required parameter of a part of type {part['type']!r}")


def _of_url(kind: str, name: str, url: Any) -> SentFile | None:
    if isinstance(url, str) and url.startswith(("https://", "http://")):
        return None  # the service fetches it
    matched = _DATA_URL.fullmatch(str(url))
    if matched is None:
        raise ValueError(f"Invalid data of a part of type {kind!r}: {str(url)[:50]!r} is no data URL")
    return SentFile(kind=kind, name=name, content_type=matched["type"], data=_decoded(matched["data"]))


def _decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ValueError(f"Invalid base64: {error}") from None
