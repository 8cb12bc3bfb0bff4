"""Storing files and opening them: an upload whose bytes are all there, or what an agent sends.

What is stored is what `reference_of` says from then on: its hash, its size and its type are those of the stored bytes.
Functions block, and need no transaction: the bytes are stored first, then the row says so. A process that dies in
between leaves a folder in the storage that `removal.py` deletes with its row.
"""

import hashlib
import io
import tempfile
from dataclasses import dataclass
from typing import IO
from uuid import UUID, uuid4

from django.conf import settings

from agentchat import conf
from agentchat.core.file_references import FileReference
from agentchat.files import content_types, images, storage
from agentchat.files.names import clean_name, with_extension
from agentchat.infra import moments
from agentchat.models import ChatSession, Run, StoredFile

PIECE = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class StoredBytes:
    """What is known of a file once it is stored."""

    name: str
    content_type: str
    size: int
    sha256: str
    storage_name: str
    thumbnail_name: str = ""
    width: int | None = None
    height: int | None = None

    def note_in(self, file: StoredFile) -> None:
        """Set the row's fields, and do not save it."""
        for key, value in vars(self).items():
            setattr(file, key, value)


def store_bytes(file_id: UUID, content: IO[bytes], name: str, content_type: str) -> StoredBytes:
    """Store the content of a seekable file of this type, and of an image its thumbnail. Raise BadImage."""
    name, folder = with_extension(name, content_type), storage.folder_of(file_id)
    if content_type not in content_types.IMAGES:
        size, sha256 = _measure(content)
        return StoredBytes(
            name=name,
            content_type=content_type,
            size=size,
            sha256=sha256,
            storage_name=storage.save(f"{folder}/content", content),
        )
    image = images.remade(content, content_type)
    with image.content:
        size, sha256 = _measure(image.content)
        return StoredBytes(
            name=name,
            content_type=content_type,
            size=size,
            sha256=sha256,
            storage_name=storage.save(f"{folder}/content", image.content),
            thumbnail_name=storage.save(f"{folder}/thumbnail", io.BytesIO(image.thumbnail)),
            width=image.width,
            height=image.height,
        )


def store_file(
    session: ChatSession,
    name: str,
    data: bytes | IO[bytes],
    *,
    run: Run | None = None,
    content_type: str = "",
    key: UUID | None = None,
) -> StoredFile:
    """Store what an agent sends, as a file of the chat session. Return its row.

    `key` is its id: with the same one it is stored once, and the row that is there is returned. `content_type` says
    what content cannot: which kind of text it is. Raise ValueError if it is larger than MAX_UPLOAD_MB, or is no file
    that can be kept.
    """
    if key is not None and (known := StoredFile.objects.filter(pk=key, session=session).first()) is not None:
        return known
    file_id, name = key or uuid4(), clean_name(name)
    with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as content:
        _copy(io.BytesIO(data) if isinstance(data, bytes) else data, content, conf.app.max_upload_mb * 10**6)
        try:
            judged = content_types.judge(content, name)
            if content_types.is_textual(judged) and content_types.is_textual(content_type):
                judged = content_type
            stored = store_bytes(file_id, content, name, judged)
        except (content_types.BadArchive, images.BadImage) as error:
            raise ValueError(f"{name!r} cannot be kept: {error}") from error
    file = StoredFile(
        id=file_id,
        session=session,
        owner_id=session.owner_id,
        guest_key=session.guest_key,
        run=run,
        agent=session.agent,
        origin=StoredFile.Origin.AGENT,
        state=StoredFile.State.READY,
        received=stored.size,
        sent_at=moments.now(),
    )
    stored.note_in(file)
    created, is_new = StoredFile.objects.get_or_create(
        pk=file_id, defaults={f.attname: getattr(file, f.attname) for f in StoredFile._meta.fields if f.attname != "id"}
    )
    if not is_new:  # another process has stored it at the same time
        storage.delete(stored.storage_name, stored.thumbnail_name)
    return created


def open_file(file: StoredFile) -> IO[bytes]:
    """Open what is stored of a file, for reading bytes. Raise FileNotFoundError if the storage has lost it."""
    return storage.open_stored(file.storage_name)


def read_file(file: StoredFile, limit: int | None = None) -> bytes:
    """The bytes of a file, or its first ones."""
    with open_file(file) as content:
        return content.read() if limit is None else content.read(limit)


def find_file(session_id: UUID, file_id: UUID) -> StoredFile | None:
    """A file of this chat session that can be read."""
    return StoredFile.objects.filter(pk=file_id, session=session_id, state=StoredFile.State.READY).first()


def reference_of(file: StoredFile) -> FileReference:
    """What events and the journal carry of a file."""
    reference = FileReference(
        id=str(file.pk), name=file.name, contentType=file.content_type, size=file.size, sha256=file.sha256
    )
    if file.width and file.height:
        reference["width"], reference["height"] = file.width, file.height
    return reference


def _copy(source: IO[bytes], target: IO[bytes], limit: int) -> None:
    size = 0
    while piece := source.read(PIECE):
        size += len(piece)
        if size > limit:
            raise ValueError(f"it has more than {limit:,} bytes, which is AGENTCHAT['MAX_UPLOAD_MB']")
        target.write(piece)


def _measure(content: IO[bytes]) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    content.seek(0)
    while piece := content.read(PIECE):
        digest.update(piece)
        size += len(piece)
    return size, digest.hexdigest()
