"""Deleting files whose chat is gone, and uploads that nobody has sent: their bytes first, then their rows.

A row that is left shows what is still to be deleted, so nothing stays in the storage because a process died.
"""

from datetime import timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from agentchat.core.log import get_logger
from agentchat.files import storage
from agentchat.infra import moments
from agentchat.models import StoredFile

logger = get_logger("agentchat.files")

UNSENT = timedelta(days=2)  # how long an upload is kept for a message that is still being written
BATCH = 50


def removable() -> QuerySet[StoredFile]:
    """Files of chats and accounts that are gone, and uploads that were not sent in time."""
    nobodys = Q(owner=None, guest_key="")
    return StoredFile.objects.filter(session=None).filter(
        Q(sent_at__isnull=False) | nobodys | Q(created_at__lt=moments.now() - UNSENT)
    )


def remove(files: QuerySet[StoredFile]) -> int:
    """Delete these files with all that is stored of them. Return how many there were; one that cannot be deleted now
    stays for another time.
    """
    removed, last = 0, UUID(int=0)
    while batch := list(files.filter(pk__gt=last).order_by("pk")[:BATCH]):
        last = batch[-1].pk
        for file in batch:
            try:
                storage.delete_folder(file.pk, [file.storage_name, file.thumbnail_name, *file.parts])
            except Exception as error:  # whatever the storage raises
                logger.warning("file %s cannot be deleted from its storage now: %s", file.pk, error)
            else:
                removed += StoredFile.objects.filter(pk=file.pk).delete()[0]
    return removed
