"""What MCP servers said of their tools when the site first saw them, or when staff last accepted a change."""

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from agentchat.infra.database import RUN_TIMEOUT_SECONDS, retry_transaction
from agentchat.infra.json_field import StoredJSONField
from agentchat.infra.moments import MomentField, now


class PinnedTool(models.Model):
    """One tool of one server, by the server's own name for it."""

    server = models.CharField(_("server"), max_length=500)
    name = models.CharField(_("name"), max_length=300)
    definition: "models.JSONField[Any, Any]" = StoredJSONField(_("definition"))
    pinned_at = MomentField(_("pinned at"))

    class Meta:
        verbose_name = _("pinned tool of an MCP server")
        verbose_name_plural = _("pinned tools of MCP servers")
        constraints = (models.UniqueConstraint(fields=["server", "name"], name="agentchat_pinned_tool"),)

    def __str__(self) -> str:
        return f"{self.server}: {self.name}"


def pinned(server: str, offered: Mapping[str, Any]) -> dict[str, Any]:
    """What is pinned of this server; what it offers now, if nothing is. Of two runs at once, both see the same."""

    def read(_: Any) -> dict[str, Any]:
        rows = PinnedTool.objects.filter(server=server)
        if not rows.exists():
            new = [
                PinnedTool(server=server, name=name, definition=definition, pinned_at=now())
                for name, definition in offered.items()
            ]
            PinnedTool.objects.bulk_create(new, ignore_conflicts=True)
        return dict(rows.values_list("name", "definition"))

    return retry_transaction(read, timeout=RUN_TIMEOUT_SECONDS)


def accept(server: str, changed: Mapping[str, Any]) -> None:
    """Pin these definitions instead. Made twice, it is the same."""

    def write(_: Any) -> None:
        for name, definition in changed.items():
            values = {"definition": definition, "pinned_at": now()}
            PinnedTool.objects.update_or_create(server=server, name=name, defaults=values)

    retry_transaction(write, timeout=RUN_TIMEOUT_SECONDS)
