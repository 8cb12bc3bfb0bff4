"""Uploads: announced, received in parts, finished. `attachments.py` sends them with a message.

A part is a file of its own in the storage until all are there: whatever process receives the next one, and whoever was
killed in between, what was acknowledged is kept. Nothing holds more than one part in memory. The type is judged when
all is there, and at the first part if that leaves no doubt.

Functions block, and are called in a thread. They raise Rejected with a sentence for the user.
"""

import io
import tempfile
import uuid
from datetime import timedelta
from typing import IO
from uuid import UUID

from django.conf import settings
from django.db.models import Sum
from django.utils.translation import gettext

from agentchat import conf
from agentchat.actions.guest_limits import use_as_guest
from agentchat.actions.transactions import commit
from agentchat.core import registry
from agentchat.core.log import get_logger
from agentchat.core.uploads import NO_UPLOADS, UploadRules
from agentchat.errors import Rejected
from agentchat.files import content_types, images, rules, storage
from agentchat.files.names import clean_name
from agentchat.files.removal import remove
from agentchat.files.store import PIECE, StoredBytes, store_bytes
from agentchat.infra import moments
from agentchat.models import StoredFile
from agentchat.visitors import Visitor

logger = get_logger("agentchat.files")

PART_BYTES = 256 * 1024  # a request of the server has several copies of its body
MAX_UNSENT = 50  # files of one owner that no message has been sent with


def part_bytes() -> int:
    """The most bytes in one part: no request of the site may have more than MAX_BODY_BYTES."""
    return min(PART_BYTES, conf.app.max_body_bytes or PART_BYTES)


def begin(agent_name: str, visitor: Visitor, *, name: str, size: int, upload_id: UUID) -> StoredFile:
    """Announce an upload. With the same id it is the same one, however often it is announced."""
    limits, name = _limits_of(agent_name, visitor), clean_name(name)
    rules.check_size(limits, name, size)

    def create(is_retry: bool) -> StoredFile:
        known = StoredFile.objects.filter(pk=upload_id).first()
        if known is not None:
            if not _is_own(known, visitor):
                raise _not_found()
            return known
        use_as_guest(visitor, size=size)
        _check_owner(visitor, size)
        return StoredFile.objects.create(id=upload_id, agent=agent_name, name=name, size=size, **visitor.owner_fields)

    return commit(create)


def find(upload_id: UUID, visitor: Visitor) -> StoredFile:
    """The visitor's upload that is not sent yet. Raise Rejected("not_found")."""
    file = StoredFile.objects.of(visitor).filter(pk=upload_id, session=None, origin=StoredFile.Origin.USER).first()
    if file is None:
        raise _not_found()
    return file


def receive(upload_id: UUID, visitor: Visitor, *, offset: int, data: bytes) -> StoredFile:
    """Store a part, and finish the upload with the last one. Return it as it is then: `received` says what is there.

    A part that does not begin where the last one ended changes nothing: the caller goes on from `received`.
    """
    file = find(upload_id, visitor)
    if file.state != StoredFile.State.UPLOADING or offset != file.received:
        return file
    if offset + len(data) > file.size:
        raise Rejected("file_too_large", gettext("“%(name)s” has changed. Please add it again.") % {"name": file.name})
    limits = _limits_of(file.agent, visitor)
    if offset == 0 and (certain := content_types.certain_type_of(data)):
        try:
            rules.check_type(limits, certain, file.name)
        except Rejected as refusal:
            return _refuse(file, str(refusal))
    if data:
        file = _add_part(file, offset, data)
    return _finish(file, limits) if file.received == file.size and file.state == StoredFile.State.UPLOADING else file


def cancel(upload_id: UUID, visitor: Visitor) -> None:
    """Delete an upload that is not sent."""
    file = find(upload_id, visitor)
    remove(StoredFile.objects.filter(pk=file.pk, session=None))


# --- parts ----------------------------------------------------------------------------------------------------------


def _add_part(file: StoredFile, offset: int, data: bytes) -> StoredFile:
    # Saved first, then acknowledged; under a name of its own, so no other request can replace what was acknowledged.
    name = storage.save(f"{storage.folder_of(file.pk)}/{offset}-{uuid.uuid4().hex[:8]}", io.BytesIO(data))
    received = offset + len(data)

    def acknowledge(is_retry: bool) -> StoredFile | None:
        unchanged = StoredFile.objects.filter(
            pk=file.pk, received=offset, state=StoredFile.State.UPLOADING, session=None
        )
        unchanged.update(received=received, parts=[*file.parts, name])
        return StoredFile.objects.filter(pk=file.pk).first()

    after = commit(acknowledge)
    if after is None or name not in after.parts:  # cancelled, or another request was faster
        storage.delete(name)
    if after is None:
        raise _not_found()
    return after


def _finish(file: StoredFile, limits: UploadRules) -> StoredFile:
    """Put the parts together, judge what they are, and store that."""
    try:
        with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as content:
            for part in file.parts:
                with storage.open_stored(part) as stored:
                    _copy(stored, content)
            content_type = content_types.judge(content, file.name)
            rules.check_type(limits, content_type, file.name)
            found = store_bytes(file.pk, content, file.name, content_type)
    except content_types.BadArchive as error:
        logger.info("upload %s is refused: %s", file.pk, error)
        return _refuse(file, gettext("“%(name)s” can't be opened, or unpacks to too much.") % {"name": file.name})
    except images.TooManyPixels as error:
        logger.info("upload %s is refused: %s", file.pk, error)
        return _refuse(file, gettext("“%(name)s” has too many pixels. Please make it smaller.") % {"name": file.name})
    except images.BadImage as error:
        logger.info("upload %s is refused: %s", file.pk, error)
        return _refuse(file, gettext("“%(name)s” is damaged: it can't be shown.") % {"name": file.name})
    except Rejected as refusal:
        return _refuse(file, str(refusal))
    return _accept(file, found)


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    while piece := source.read(PIECE):
        target.write(piece)


def _accept(file: StoredFile, found: StoredBytes) -> StoredFile:
    is_checked = conf.app.upload_check is not None
    state = StoredFile.State.CHECKING if is_checked else StoredFile.State.READY
    check_at = moments.now() if is_checked else None
    parts = file.parts

    def save(is_retry: bool) -> int:
        uploading = StoredFile.objects.filter(pk=file.pk, state=StoredFile.State.UPLOADING)
        return uploading.update(**vars(found), state=state, check_at=check_at, parts=[])

    if not commit(save):  # another request has finished it, or cancelled it
        after = StoredFile.objects.filter(pk=file.pk).first()
        if after is None or after.storage_name != found.storage_name:
            storage.delete(found.storage_name, found.thumbnail_name)
        if after is None:
            raise _not_found()
        return after
    storage.delete(*parts)
    file.refresh_from_db()
    return file


def _refuse(file: StoredFile, sentence: str) -> StoredFile:
    def save(is_retry: bool) -> int:
        uploading = StoredFile.objects.filter(pk=file.pk, state=StoredFile.State.UPLOADING)
        return uploading.update(state=StoredFile.State.REFUSED, refusal=sentence[:500], parts=[])

    commit(save)
    storage.delete_folder(file.pk, file.parts)
    file.state, file.refusal = StoredFile.State.REFUSED, sentence
    return file


# --- who, and how much ----------------------------------------------------------------------------------------------


def _limits_of(agent_name: str, visitor: Visitor) -> UploadRules:
    agent = registry.find(agent_name)
    limits = agent.uploads if agent is not None and agent.is_open_to(visitor.user) else NO_UPLOADS
    if not limits:
        raise Rejected("no_uploads", gettext("You can only send text here, no files or images."))
    return limits


def _is_own(file: StoredFile, visitor: Visitor) -> bool:
    owned = visitor.owned_columns
    return owned is not None and all(getattr(file, name) == value for name, value in owned.items())


def _check_owner(visitor: Visitor, size: int) -> None:
    """Raise Rejected if the visitor has uploaded too much in a day, or has too much that is not sent."""
    own = StoredFile.objects.of(visitor).filter(origin=StoredFile.Origin.USER)
    if own.filter(session=None).count() >= MAX_UNSENT:
        raise Rejected("too_many_files", gettext("You've added too many files without sending them."))
    limit = conf.app.upload_mb_per_day
    if limit is None:
        return
    recent = own.filter(created_at__gt=moments.now() - timedelta(days=1)).exclude(state=StoredFile.State.REFUSED)
    if (recent.aggregate(sum=Sum("size"))["sum"] or 0) + size > limit * 10**6:
        text = gettext("You've uploaded as much as you can in a day. Please try again tomorrow.")
        raise Rejected("rate_limited", text, retry_after=24 * 60 * 60)


def _not_found() -> Rejected:
    return Rejected("not_found", gettext("This file no longer exists. Please add it again."))
