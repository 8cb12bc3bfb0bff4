"""Sending files with a message.

They become files of the chat session in the transaction that stores the message. While one of them is being checked
(UPLOAD_CHECK), the message is held: it is a row of the outbox, waits without a thread, and is sent when all are ready.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext

from agentchat.core import registry
from agentchat.core.file_references import FileReference
from agentchat.core.uploads import NO_UPLOADS
from agentchat.errors import Rejected
from agentchat.files import reference_of, rules
from agentchat.infra import moments
from agentchat.models import ChatSession, OutboxItem, StoredFile
from agentchat.visitors import Visitor

HELD_LOOK = timedelta(seconds=30)  # after which a held message is looked at again, whoever should have sent it


def attach(session: ChatSession, visitor: Visitor, file_ids: Sequence[UUID]) -> list[StoredFile]:
    """Make these uploads files of the locked chat session. Raise Rejected if one of them cannot be sent.

    Costs nothing without files. Those that are being checked may still be refused: `is_held`.
    """
    if not file_ids:
        return []
    found = {
        file.pk: file for file in StoredFile.objects.of(visitor).filter(pk__in=file_ids, origin=StoredFile.Origin.USER)
    }
    files = [found[pk] for pk in dict.fromkeys(file_ids) if pk in found]
    if len(files) < len(set(file_ids)) or any(file.session_id not in (None, session.pk) for file in files):
        raise Rejected("no_such_file", gettext("A file of this message no longer exists. Please add it again."))
    for file in files:
        if file.state == StoredFile.State.REFUSED:
            raise Rejected("file_refused", file.refusal)
        if file.state == StoredFile.State.UPLOADING:
            raise Rejected("file_not_ready", gettext("“%(name)s” isn't uploaded yet.") % {"name": file.name})
    rules.check_message(files)
    agent = registry.find(session.agent)
    limits = agent.uploads if agent is not None else NO_UPLOADS
    for file in files:
        if file.agent != session.agent:  # uploaded for another one, which may take other files
            rules.check_size(limits, file.name, file.size)
            rules.check_type(limits, file.content_type, file.name)
    new = [file.pk for file in files if file.session_id is None]
    if new:
        # Not `sent_at` alone: whoever sends the same one elsewhere at the same time finds it taken.
        taken = StoredFile.objects.filter(pk__in=new, session=None).update(session=session, sent_at=moments.now())
        if taken < len(new):
            raise Rejected("no_such_file", gettext("A file of this message no longer exists. Please add it again."))
    return files


def references(files: Sequence[StoredFile]) -> list[FileReference]:
    return [reference_of(file) for file in files]


def is_held(files: Sequence[StoredFile]) -> bool:
    """Whether a message with these files has to wait for a check."""
    return any(file.state == StoredFile.State.CHECKING for file in files)


def hold(session: ChatSession, client_id: UUID, text: str, files: Sequence[StoredFile]) -> None:
    """Keep a message until its files are checked. Once for each `client_id`."""
    OutboxItem.objects.get_or_create(
        session=session,
        key=client_id,
        defaults={
            "kind": OutboxItem.Kind.UPLOAD,
            "value": {"text": text, "files": [str(file.pk) for file in files]},
            "due_at": moments.now() + HELD_LOOK,
        },
    )


def release(session: ChatSession, client_id: UUID) -> None:
    """The message is sent: it is held no more, and those before it that were refused are answered by it."""
    held = OutboxItem.objects.filter(session=session, kind=OutboxItem.Kind.UPLOAD)
    held.filter(Q(key=client_id) | ~Q(error="")).delete()


def give_back(item: OutboxItem) -> None:
    """A held message is refused: its files can be sent with another one."""
    StoredFile.objects.filter(pk__in=item.value["files"], session=item.session_id).update(session=None, sent_at=None)
