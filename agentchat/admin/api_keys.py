"""API keys in Django admin: whose they are, what they may do, when they were used last. Never the keys themselves."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agentchat import conf
from agentchat.actions import api_keys
from agentchat.admin.base import ReadOnlyAdmin
from agentchat.admin.keyset_lists import CursorFilter
from agentchat.models import ApiKey

TIMES = ("created_at", "last_used_at", "expires_at", "revoked_at")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    """Staff may look, and revoke. Who makes a key is its owner."""

    list_display = (
        "name",
        "owner",
        "hint",
        "access",
        "agent_names",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    list_filter = (CursorFilter, "may_write", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    listed_by = "created_at"
    ordering = ("-created_at",)
    search_fields = ("name", "hint")
    search_help_text = _("Search by name, or by the beginning of a key")
    fields = list_display
    actions = ("revoke",)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(conf.app.apis) and super().has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Admin checks it when the owner of a key is deleted with all keys.
        return request.user.has_perm("agentchat.delete_apikey")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("agentchat.delete_apikey")

    @admin.display(description=_("access"))
    def access(self, key: ApiKey) -> Any:
        return _("read and write") if key.may_write else _("read only")

    @admin.display(description=_("agents"))
    def agent_names(self, key: ApiKey) -> Any:
        return _("all") if key.agents is None else ", ".join(key.agents)

    @admin.action(description=_("Revoke selected keys"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, keys: "QuerySet[ApiKey]") -> None:
        count = api_keys.revoke(ApiKey.objects.filter(pk__in=list(keys.values_list("pk", flat=True))))
        text = ngettext("%(count)d key was revoked.", "%(count)d keys were revoked.", count)
        self.message_user(request, text % {"count": count})
