"""The table of the questions that somebody else than the owner of a chat answers."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agentchat.i18n.system_messages import translated
from agentchat.infra.json_field import StoredJSONField
from agentchat.infra.moments import MomentField


class DelegatedQuestion(models.Model):
    """A question of a run to somebody else than the chat's owner: to whom (`agentchat.core.addressees`), about what.

    `question` is the payload of its INPUT_REQUESTED, for those who look through questions of many chats. What is open
    has no `closed_at`.
    """

    class Outcome(models.TextChoices):
        ANSWERED = "answered", _("answered")
        EXPIRED = "expired", _("expired")
        CANCELLED = "cancelled", _("canceled")  # the run was stopped, retried, edited, or has failed

    session = models.ForeignKey(
        "ChatSession",
        verbose_name=_("chat session"),
        on_delete=models.CASCADE,
        related_name="delegated_questions",
    )
    run = models.ForeignKey("Run", on_delete=models.CASCADE, related_name="delegated_questions")
    request = models.CharField(_("request"), max_length=100)
    question: "models.JSONField[Any, Any]" = StoredJSONField()
    tool = models.CharField(_("tool"), max_length=200, blank=True)
    to_kind = models.CharField(_("addressee"), max_length=12)
    to_value = models.CharField(_("addressee"), max_length=200, blank=True)
    escalate_at = MomentField(null=True, blank=True)
    escalate_kind = models.CharField(max_length=12, blank=True)
    escalate_value = models.CharField(max_length=200, blank=True)
    asked_at = MomentField(_("asked"))
    closed_at = MomentField(_("closed"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices, blank=True)
    answered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("answered by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    class Meta:
        verbose_name = _("question to staff")
        verbose_name_plural = _("questions to staff")
        constraints = (models.UniqueConstraint(fields=["session", "request"], name="agentchat_delegated_request"),)
        indexes = (
            # Very many are closed; those that are open, by whom they are for.
            models.Index(
                fields=["to_kind", "to_value", "asked_at"], condition=Q(closed_at=None), name="agentchat_open_questions"
            ),
            models.Index(
                fields=["escalate_at"],
                condition=Q(closed_at=None, escalate_at__isnull=False),
                name="agentchat_escalating",
            ),
            models.Index(fields=["to_kind", "to_value", "-closed_at"], name="agentchat_closed_questions"),
        )

    def __str__(self) -> str:
        return f"{self.tool or self.question.get('kind', '')} {self.request}"

    @property
    def kind(self) -> str:
        """What is asked: "text", "approval" or "form"."""
        return str(self.question["kind"])

    @property
    def since(self) -> Any:
        return self.asked_at

    @property
    def prompt(self) -> str:
        """What is asked; the system's own questions in the active language."""
        return translated(self.question, "prompt") if "prompt" in self.question else ""

    @property
    def arguments(self) -> dict[str, Any]:
        """Of the call that is to be approved."""
        return dict(self.question.get("initial") or {}) if self.kind == "approval" else {}
