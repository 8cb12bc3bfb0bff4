"""Long answers in pieces: a file that is made while it is sent."""

import re
from collections.abc import AsyncIterator, Iterator

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import translation
from django.utils.http import content_disposition_header

from agentchat.runs.runner import in_read_thread

PIECE = 32 * 1024  # characters, at least, but for the last one

_NOT_IN_A_NAME = re.compile(
    r'[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff\\/:*?"<>|%]+'
)


def download(request: HttpRequest, words: Iterator[str], *, name: str, content_type: str) -> StreamingHttpResponse:
    """The words as a file that the browser keeps. They are made in a thread, whenever there is room for more."""
    pieces = _pieces(words, translation.get_language())
    content = _from_thread(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(content, content_type=f"{content_type}; charset=utf-8")
    response.headers["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def file_name(title: str, ending: str) -> str:
    """A title as the name of a file: one that every system takes, hides nothing and leads nowhere."""
    words = " ".join(_NOT_IN_A_NAME.sub(" ", title).split())[:80].strip(". ")
    return f"{words or 'chat'}.{ending}"


def _pieces(words: Iterator[str], language: str | None) -> Iterator[bytes]:
    while True:
        piece: list[str] = []
        length = 0
        with translation.override(language):  # the request's own may be over
            for each in words:
                piece.append(each)
                length += len(each)
                if length >= PIECE:
                    break
        if not piece:
            return
        yield "".join(piece).encode("utf-8", "replace")


async def _from_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await in_read_thread(next)(pieces, None)) is not None:
        yield piece
