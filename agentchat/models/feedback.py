"""The table of what users think of agents' messages."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from agentchat.infra.moments import MomentField


class Feedback(models.Model):
    """A user's rating of an agent's message."""

    class Value(models.TextChoices):
        UP = "up", _("good")
        DOWN = "down", _("bad")

    session = models.ForeignKey(
        "ChatSession", verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="feedback"
    )
    message_id = models.CharField(_("message"), max_length=100)
    value = models.CharField(_("value"), max_length=4, choices=Value.choices)
    comment = models.TextField(_("comment"), blank=True)
    created_at = MomentField(_("submitted"), auto_now_add=True)
    updated_at = MomentField(_("last updated"), auto_now=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        constraints = [models.UniqueConstraint(fields=["session", "message_id"], name="agentchat_one_feedback")]
        indexes = [models.Index(fields=["-updated_at", "-id"], name="agentchat_newest_feedback")]

    def __str__(self) -> str:
        return f"{self.value}: {self.message_id}"
