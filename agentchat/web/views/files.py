"""Files: uploading them in parts, and showing those of a chat to who may see it.

A page links to `files/<id>` below its own address, so each page decides with its own rules who gets the file.
"""

import json
import uuid
from typing import Any

from django.http import Http404, HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from agentchat.actions import handovers, sharing, uploads
from agentchat.actions.staff_log import log_reading
from agentchat.core.log import get_logger
from agentchat.csp import strict_policy
from agentchat.errors import Rejected
from agentchat.models import ChatSession, Event, StoredFile
from agentchat.presentation import shared_chat
from agentchat.presentation.file_cards import is_named_by, kind_of
from agentchat.visitors import Visitor, remember_guest
from agentchat.web.file_responses import file_response, thumbnail_response
from agentchat.web.page import for_visitors, own_chat
from agentchat.web.views.inbox import for_users

logger = get_logger("agentchat.files")

STATUS = {"not_found": 404, "file_too_large": 413, "too_large": 413, "rate_limited": 429, "wrong_file_type": 415}


# --- uploading ------------------------------------------------------------------------------------------------------


@require_http_methods(["POST"])
@ensure_csrf_cookie
@for_visitors
def begin_upload(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """Announce an upload: JSON with `id`, `agent`, `name` and `size`.

    A guest gets a key with the first one; several at once get the same one if they name the same `form`.
    """
    try:
        asked = json.loads(request.body)
        upload_id, agent, name, size = uuid.UUID(asked["id"]), asked["agent"], asked["name"], asked["size"]
        form_id = uuid.UUID(asked.get("form") or asked["id"])
        if not (isinstance(agent, str) and isinstance(name, str) and type(size) is int and abs(size) < 2**53):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError):
        return _refused(Rejected("invalid", gettext("Some of this isn't valid.")))
    try:
        visitor = remember_guest(request, form_id)
        return _answer(uploads.begin(agent, visitor, name=name, size=size, upload_id=upload_id))
    except Rejected as refusal:
        return _refused(refusal)


@require_http_methods(["GET", "HEAD", "POST", "DELETE"])
@for_visitors
def upload(request: HttpRequest, visitor: Visitor, file_id: uuid.UUID) -> HttpResponseBase:
    """How far an upload is. POST sends the part that begins at `Upload-Offset`, DELETE cancels."""
    try:
        if request.method == "DELETE":
            uploads.cancel(file_id, visitor)
            return JsonResponse({})
        if request.method != "POST":
            return _answer(uploads.find(file_id, visitor))
        given = request.headers.get("Upload-Offset", "")
        # Not `request.body`: the request would keep it for as long as there is a reference to the request.
        data = request.read(uploads.part_bytes() + 1)
        if not (given.isascii() and given.isdigit() and len(given) < 19) or len(data) > uploads.part_bytes():
            raise Rejected("invalid", gettext("Some of this isn't valid."))
        before = int(given)
        file = uploads.receive(file_id, visitor, offset=before, data=data)
        is_there = file.received >= before + len(data) or file.state != StoredFile.State.UPLOADING
        return _answer(file, status=200 if is_there else 409)
    except Rejected as refusal:
        return _refused(refusal)
    except OSError as error:  # the storage, or what it asks, is away
        logger.error("upload %s cannot be stored: %s", file_id, error)
        return _refused(Rejected("unavailable", gettext("This couldn't be saved right now. Please try again.")), 503)


@require_safe
@for_visitors
def upload_thumbnail(request: HttpRequest, visitor: Visitor, file_id: uuid.UUID) -> HttpResponseBase:
    """The thumbnail of an image that is not sent yet."""
    file = get_object_or_404(StoredFile.objects.of(visitor), pk=file_id, session=None, state=StoredFile.State.READY)
    return thumbnail_response(request, file)


def _answer(file: StoredFile, *, status: int = 200) -> JsonResponse:
    found: dict[str, Any] = {
        "id": str(file.pk),
        "name": file.name,
        "size": file.size,
        "offset": file.received,
        "state": file.state,
        "partBytes": uploads.part_bytes(),
    }
    if file.state == StoredFile.State.REFUSED:
        found["error"] = file.refusal
    if file.content_type:
        found |= {"contentType": file.content_type, "kind": kind_of(file.content_type)}
    return JsonResponse(found, status=status)


def _refused(refusal: Rejected, status: int | None = None) -> JsonResponse:
    response = JsonResponse({"error": str(refusal), "code": refusal.reason}, status=400)
    response.status_code = status or STATUS.get(refusal.reason, 503 if refusal.reason == "unavailable" else 400)
    if refusal.retry_after is not None:
        response.headers["Retry-After"] = str(refusal.retry_after)
    return response


# --- showing --------------------------------------------------------------------------------------------------------


@require_safe
@xframe_options_exempt
@for_visitors
def file(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID, file_id: uuid.UUID) -> HttpResponseBase:
    """A file of the visitor's own chat."""
    return file_response(request, _own_file(visitor, chat_id, file_id))


@require_safe
@xframe_options_exempt
@for_visitors
def thumbnail(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID, file_id: uuid.UUID) -> HttpResponseBase:
    return thumbnail_response(request, _own_file(visitor, chat_id, file_id))


@require_safe
@for_users
def inbox_file(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID, file_id: uuid.UUID) -> HttpResponseBase:
    """The same for staff who may view the chat of somebody else."""
    return file_response(request, _watched_file(visitor, chat_id, file_id))


@require_safe
@for_users
def inbox_thumbnail(request: HttpRequest, visitor: Visitor, chat_id: uuid.UUID, file_id: uuid.UUID) -> HttpResponseBase:
    return thumbnail_response(request, _watched_file(visitor, chat_id, file_id))


@require_safe
@strict_policy
@never_cache
def shared_file(request: HttpRequest, token: str, file_id: uuid.UUID) -> HttpResponseBase:
    """The same for anyone who has a link, of what the link shows."""
    return _unindexed(file_response(request, _shared_file(token, file_id)))


@require_safe
@strict_policy
@never_cache
def shared_thumbnail(request: HttpRequest, token: str, file_id: uuid.UUID) -> HttpResponseBase:
    return _unindexed(thumbnail_response(request, _shared_file(token, file_id)))


def _own_file(visitor: Visitor, chat_id: uuid.UUID, file_id: uuid.UUID) -> StoredFile:
    chat = own_chat(visitor, chat_id)
    found = _ready(chat, file_id)
    is_for_all = found.origin == StoredFile.Origin.USER or visitor.may_see_details
    # An agent may send something to staff alone.
    if not is_for_all and not is_named_by(Event.objects.filter(session=chat), str(file_id), shows_details=False):
        raise Http404
    return found


def _watched_file(visitor: Visitor, chat_id: uuid.UUID, file_id: uuid.UUID) -> StoredFile:
    if not handovers.may_watch(visitor.user, chat_id):
        raise Http404
    chat = get_object_or_404(ChatSession, pk=chat_id, deleted_at=None)
    file = _ready(chat, file_id)
    log_reading(chat, visitor.user)
    return file


def _shared_file(token: str, file_id: uuid.UUID) -> StoredFile:
    link = sharing.find_link(token)
    if link is None or not is_named_by(shared_chat.events_of(link), str(file_id), shows_details=False):
        raise Http404
    return _ready(link.session, file_id)


def _ready(chat: ChatSession, file_id: uuid.UUID) -> StoredFile:
    return get_object_or_404(StoredFile, pk=file_id, session=chat, state=StoredFile.State.READY)


def _unindexed(response: HttpResponseBase) -> HttpResponseBase:
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    return response
