"""Files and texts of any length, which are generated while they are sent."""

import re
from collections.abc import AsyncIterator, Iterator

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import translation
from django.utils.http import content_disposition_header

from agentchat.infra.db_threads import in_read_thread
from agentchat.infra.fair_queue import Lanes, current_lanes, lanes

MIN_CHUNK_CHARS = 32 * 1024  # except for the last one

_INVALID_IN_NAMES = re.compile(
    r'[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\\/:*?"<>|%]+'
)


def download(request: HttpRequest, text: Iterator[str], *, name: str, content_type: str) -> StreamingHttpResponse:
    """The text as a file that the browser saves."""
    response = streamed(request, text, content_type=content_type)
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    return response


def streamed(request: HttpRequest, text: Iterator[str], *, content_type: str) -> StreamingHttpResponse:
    """The text. It is generated in a thread, as fast as it is sent."""
    chunks = _chunks(text, translation.get_language())
    content = from_thread(chunks, current_lanes()) if isinstance(request, ASGIRequest) else chunks
    response = StreamingHttpResponse(content, content_type=f"{content_type}; charset=utf-8")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def pieces(text: str) -> Iterator[str]:
    """A text that is there already, in pieces to be sent."""
    return (text[start : start + MIN_CHUNK_CHARS] for start in range(0, len(text), MIN_CHUNK_CHARS))


def file_name(title: str, ending: str) -> str:
    """A title as a file name that is valid on every system, without path separators and invisible characters."""
    name = " ".join(_INVALID_IN_NAMES.sub(" ", title).split())[:80].strip(". ")
    return f"{name or 'chat'}.{ending}"


def _chunks(text: Iterator[str], language: str | None) -> Iterator[bytes]:
    while True:
        chunk: list[str] = []
        length = 0
        with translation.override(language):  # the request's own may have ended
            for each in text:
                chunk.append(each)
                length += len(each)
                if length >= MIN_CHUNK_CHARS:
                    break
        if not chunk:
            return
        yield "".join(chunk).encode("utf-8", "replace")


async def from_thread(chunks: Iterator[bytes], of_request: Lanes) -> AsyncIterator[bytes]:
    """The chunks, each made in a thread for reading when the one before it is sent."""
    while True:
        with lanes(**of_request):
            chunk = await in_read_thread(next)(chunks, None)
        if chunk is None:
            return
        yield chunk
