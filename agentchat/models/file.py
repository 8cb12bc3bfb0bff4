"""Files of chats: what people upload, and what agents send.

A row says what a file is and who may have it; its bytes are in a storage (`agentchat.files`). It belongs to a chat
session from the message that it is sent with. Whoever deletes chats or accounts need not know of storages: the row
stays behind without them, and is deleted together with its bytes (`files/removal.py`), also after a crash.
"""

import uuid
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agentchat.infra.moments import MomentField
from agentchat.models.chats import ChatSession, Run

if TYPE_CHECKING:
    from agentchat.visitors import Visitor


class FileQuerySet(models.QuerySet["StoredFile"]):
    def of(self, visitor: "Visitor") -> "FileQuerySet":
        """Those that the visitor has uploaded, and those of agents in the visitor's chats."""
        owned = visitor.owned_columns
        return self.none() if owned is None else self.filter(**owned)


class StoredFile(models.Model):
    """One file of a chat session, or one that its owner has not sent yet."""

    class Origin(models.TextChoices):
        USER = "user", _("user")
        AGENT = "agent", _("agent")

    class State(models.TextChoices):
        UPLOADING = "uploading", _("being uploaded")
        CHECKING = "checking", _("being checked")
        READY = "ready", _("ready")
        REFUSED = "refused", _("refused")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    session = models.ForeignKey(
        ChatSession, verbose_name=_("chat session"), null=True, on_delete=models.SET_NULL, related_name="files"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="chat_files",
    )
    guest_key = models.CharField(_("guest key"), max_length=64, blank=True, editable=False)
    run = models.ForeignKey(Run, verbose_name=_("run"), null=True, on_delete=models.SET_NULL, related_name="files")
    agent = models.CharField(_("agent"), max_length=100, blank=True)  # whose limits an upload keeps to
    origin = models.CharField(_("origin"), max_length=10, choices=Origin.choices, default=Origin.USER)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.UPLOADING)
    name = models.CharField(_("name"), max_length=200)
    content_type = models.CharField(_("content type"), max_length=100, blank=True)
    size = models.PositiveBigIntegerField(_("size"))  # as announced, until all of it is there
    sha256 = models.CharField(max_length=64, blank=True, editable=False)
    width = models.PositiveIntegerField(null=True, editable=False)
    height = models.PositiveIntegerField(null=True, editable=False)
    storage_name = models.CharField(max_length=255, blank=True, editable=False)
    thumbnail_name = models.CharField(max_length=255, blank=True, editable=False)
    # Of an upload: the names of its parts in the storage, in order, and how many bytes they are.
    parts: "models.JSONField[Any, Any]" = models.JSONField(default=list, editable=False)
    received = models.PositiveBigIntegerField(default=0, editable=False)
    refusal = models.CharField(_("refusal"), max_length=500, blank=True)
    check_at = MomentField(null=True, editable=False)  # when UPLOAD_CHECK is to be asked, or its process is given up
    created_at = MomentField(_("created"), auto_now_add=True)
    sent_at = MomentField(_("sent"), null=True, blank=True)

    objects = FileQuerySet.as_manager()

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        indexes = (
            models.Index(
                fields=["owner", "created_at"], condition=Q(owner__isnull=False), name="agentchat_files_of_owner"
            ),
            models.Index(fields=["guest_key", "created_at"], condition=Q(owner=None), name="agentchat_files_of_guest"),
            models.Index(fields=["created_at"], condition=Q(session=None), name="agentchat_files_alone"),
            models.Index(fields=["check_at"], condition=Q(check_at__isnull=False), name="agentchat_files_to_check"),
        )

    def __str__(self) -> str:
        return self.name
