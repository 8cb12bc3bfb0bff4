"""A stored file as a response, whole or a range of it, such that nothing in it runs.

Its type is the one that its content was judged to be, and browsers are told not to guess. What they show (images, PDF,
sound, text as plain text) is shown in a sandbox without an origin; everything else is saved. The caller has found the
file among those that the visitor may see.
"""

import re
from collections.abc import Iterator

from django.core.handlers.asgi import ASGIRequest
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from agentchat import conf
from agentchat.core.log import get_logger
from agentchat.files import storage
from agentchat.infra.fair_queue import current_lanes
from agentchat.models import StoredFile
from agentchat.presentation.file_cards import kind_of
from agentchat.web.downloads import from_thread

logger = get_logger("agentchat.files")

CHUNK = 128 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def file_response(request: HttpRequest, file: StoredFile) -> HttpResponseBase:
    """The file: as one to save if `?save` is asked for, or if browsers show nothing of its kind."""
    kind = kind_of(file.content_type)
    content_type = "text/plain; charset=utf-8" if kind == "text" else file.content_type
    if kind == "text" and "save" in request.GET:
        content_type = file.content_type
    response = _ranged(request, file.storage_name, file.size, etag=f'"{file.sha256}"')
    response.headers["Content-Type"] = content_type
    saves = not kind or "save" in request.GET
    response.headers["Content-Disposition"] = content_disposition_header(saves, file.name) or "attachment"
    return _harmless(response)


def thumbnail_response(request: HttpRequest, file: StoredFile) -> HttpResponseBase:
    """The thumbnail of an image. Raise Http404 if the file has none."""
    if not file.thumbnail_name:
        raise Http404
    response = _ranged(request, file.thumbnail_name, None, etag=f'"{file.sha256}-t"')
    response.headers["Content-Type"] = "image/webp"
    return _harmless(response)


def _harmless(response: HttpResponseBase) -> HttpResponseBase:
    ancestors = " ".join(["'self'", *conf.app.embed_origins])
    rules = ["default-src 'none'", "img-src 'self' data:", "media-src 'self'", "style-src 'unsafe-inline'", "sandbox"]
    rules += ["base-uri 'none'", "form-action 'none'", f"frame-ancestors {ancestors}"]
    response.headers["Content-Security-Policy"] = "; ".join(rules)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.xframe_options_exempt = True  # type: ignore[attr-defined]  # frame-ancestors says it
    return response


def _ranged(request: HttpRequest, name: str, size: int | None, *, etag: str) -> HttpResponseBase:
    if not storage.storage().exists(name):
        logger.error("%s is not in the storage of files", name)
        raise Http404
    total = storage.storage().size(name) if size is None else size
    start, end = 0, total - 1
    wanted = request.headers.get("Range", "") if request.headers.get("If-Range", etag) == etag else ""
    status = 200
    if (found := _RANGE.fullmatch(wanted)) and found[0] != "bytes=-":
        if found[1]:
            start, end = int(found[1]), min(int(found[2] or end), end)
        else:
            start = max(0, total - int(found[2]))
        if start > end:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{total}"})
        status = 206
    pieces = _pieces(name, start, end + 1 - start)
    body = from_thread(pieces, current_lanes()) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(body, status=status)
    response.headers["Accept-Ranges"], response.headers["ETag"] = "bytes", etag
    response.headers["Content-Length"] = str(end + 1 - start)
    if status == 206:
        response.headers["Content-Range"] = f"bytes {start}-{end}/{total}"
    return response


def _pieces(name: str, start: int, length: int) -> Iterator[bytes]:
    with storage.open_stored(name) as content:
        content.seek(start)
        while length > 0 and (piece := content.read(min(CHUNK, length))):
            length -= len(piece)
            yield piece
