"""The table of the chats that an agent has handed over to people, or that people have taken over."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agentchat.infra.json_field import StoredJSONField
from agentchat.infra.moments import MomentField


class Handover(models.Model):
    """A chat whose agent is silent while staff answer: to whom it is handed over, and who has come.

    `is_asked`: the agent function has asked for it; otherwise somebody has taken the chat over. It begins with a step
    of `run`, at the event `from_seq`; a chat that is taken over while its agent works is one without them for a moment.
    What is said until `until_seq` are events of the chat. What is open has no `closed_at`.
    """

    class Outcome(models.TextChoices):
        RETURNED = "returned", _("given back")
        EXPIRED = "expired", _("expired")  # nobody came
        CANCELLED = "cancelled", _("canceled")  # the run was stopped, or has failed

    session = models.ForeignKey(
        "ChatSession", verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="handovers"
    )
    run = models.ForeignKey("Run", null=True, on_delete=models.CASCADE, related_name="handovers")
    step = models.PositiveIntegerField(null=True)
    request = models.CharField(_("request"), max_length=100)
    is_asked = models.BooleanField()
    to_kind = models.CharField(_("addressee"), max_length=12)
    to_value = models.CharField(_("addressee"), max_length=200, blank=True)
    summary = models.TextField(_("summary"), blank=True)
    # Who has come, in their order: `{"id": the user's key, "name": their public name}`.
    staff: "models.JSONField[Any, Any]" = StoredJSONField(default=list)
    from_seq = models.PositiveBigIntegerField(null=True)
    until_seq = models.PositiveBigIntegerField(null=True)
    opened_at = MomentField(_("opened"))
    taken_at = MomentField(_("taken"), null=True, blank=True)
    closed_at = MomentField(_("closed"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices, blank=True)

    class Meta:
        verbose_name = _("handover")
        verbose_name_plural = _("handovers")
        constraints = (
            models.UniqueConstraint(fields=["session", "request"], name="agentchat_handover_request"),
            models.UniqueConstraint(fields=["session"], condition=Q(closed_at=None), name="agentchat_one_handover"),
        )
        indexes = (
            models.Index(
                fields=["to_kind", "to_value", "opened_at"],
                condition=Q(closed_at=None),
                name="agentchat_open_handovers",
            ),
        )

    def __str__(self) -> str:
        return self.request

    @property
    def has_begun(self) -> bool:
        """The agent is silent."""
        return self.from_seq is not None

    @property
    def is_taken(self) -> bool:
        """Somebody has come."""
        return self.taken_at is not None

    @property
    def since(self) -> Any:
        return self.opened_at

    @property
    def names(self) -> list[str]:
        """Who has come."""
        return [str(each["name"]) for each in self.staff]
