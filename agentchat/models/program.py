"""The tables of programs that talk to agent functions: their keys, and which of their threads is which chat."""

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from agentchat.infra.json_field import StoredJSONField
from agentchat.infra.moments import MomentField


class ApiKey(models.Model):
    """What a program shows instead of its user's password. Stored is a digest: the key itself is shown once.

    `agents` are the names of those that it may talk to; None: all that its owner may use. A key that is revoked stays,
    so that staff see whose it was and when it was used last.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("owner"), on_delete=models.CASCADE, related_name="+"
    )
    name = models.CharField(_("name"), max_length=100)
    hint = models.CharField(_("key"), max_length=30, editable=False)  # its first characters
    digest = models.CharField(max_length=64, unique=True, editable=False)
    agents: "models.JSONField[Any, Any]" = StoredJSONField(_("agents"), null=True)
    may_write = models.BooleanField(_("may write"), default=False)
    created_at = MomentField(_("created"), auto_now_add=True)
    expires_at = MomentField(_("expires"), null=True, blank=True)
    last_used_at = MomentField(_("last used"), null=True, blank=True)
    revoked_at = MomentField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        indexes = (models.Index(fields=["-created_at", "-id"], name="agentchat_newest_keys"),)

    def __str__(self) -> str:
        return self.name

    def allows(self, agent: str) -> bool:
        """Whether the key may be used for chats with this agent. Its owner's own permissions are another matter."""
        return self.agents is None or agent in self.agents


class ClientThread(models.Model):
    """A conversation as a program knows it, and the chat session that it is.

    `key` is a digest of whose it is, the agent, and the program's own name for it; None if the program has none. Its
    row is there before the chat session: who calls twice at once means the same one. `history` is a digest of all that
    was said, as a program without a name for it would repeat it.

    The last request stays, so that one that is repeated after a lost connection counts once: `request` is its digest,
    `client_id` the id of its message, and `after` the last event before it. `client_tools` are those that it offers.
    """

    session = models.OneToOneField(
        "ChatSession", on_delete=models.CASCADE, db_constraint=False, related_name="client_thread"
    )
    key = models.CharField(max_length=64, null=True, unique=True)
    whose = models.CharField(max_length=80)
    agent = models.CharField(max_length=100)
    history = models.CharField(max_length=64, blank=True)
    request = models.CharField(max_length=64, blank=True)
    client_id = models.UUIDField(null=True)
    after = models.PositiveBigIntegerField(default=0)
    requested_at = MomentField(null=True)
    client_tools: "models.JSONField[Any, Any]" = StoredJSONField(null=True)

    class Meta:
        verbose_name = _("thread of a program")
        verbose_name_plural = _("threads of programs")
        indexes = (
            models.Index(fields=["whose", "history"], name="agentchat_thread_history"),
            models.Index(fields=["whose", "request"], name="agentchat_thread_request"),
        )

    def __str__(self) -> str:
        return str(self.session_id)
