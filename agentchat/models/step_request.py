"""The table of what models were asked, where `KEEP_REQUESTS` says that it is kept."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from agentchat.infra.json_field import StoredJSONField


class StepRequest(models.Model):
    """The request of the step with this number of a run: `core/kept_requests.py`. It is deleted with its chat."""

    run = models.ForeignKey("Run", verbose_name=_("run"), on_delete=models.CASCADE, related_name="requests")
    number = models.PositiveIntegerField(_("number"))
    content: "models.JSONField[Any, Any]" = StoredJSONField(_("request"))

    class Meta:
        verbose_name = _("request to a model")
        verbose_name_plural = _("requests to models")
        constraints = (models.UniqueConstraint(fields=["run", "number"], name="agentchat_step_request"),)

    def __str__(self) -> str:
        return str(self.number)
