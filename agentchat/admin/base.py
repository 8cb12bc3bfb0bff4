"""What the admin pages share: they show data, and do not edit it."""

import re
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from agentchat.actions.staff_access import visible_to
from agentchat.admin.keyset_lists import KeysetAdmin


def may_stop(user: Any) -> bool:
    """Whether they may stop runs. "change" is the permission of earlier versions; it opens no form."""
    return bool(user.has_perm("agentchat.stop_chatsession") or user.has_perm("agentchat.change_chatsession"))


def may_purge(user: Any) -> bool:
    """Whether they may delete chats permanently. "delete" is the permission of earlier versions."""
    return bool(user.has_perm("agentchat.purge_chatsession") or user.has_perm("agentchat.delete_chatsession"))


class ReadOnlyAdmin(KeysetAdmin):
    """Read-only pages. Those of chats have an `agent_field`, which leads to the agent's name: whoever may not see the
    chats of an agent function (`@on_connect(staff=…)`) finds nothing of them.
    """

    agent_field = ""

    list_per_page = 100
    view_on_site = False  # the chat page is its owner's
    lookups: tuple[str, ...] = ()  # what URLs may filter by, besides the filters of the list

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Only what the list's filters show. Django allows any comparison with any column of the table: with "begins
        with" and "is greater than", a column that no page shows can be read letter by letter.
        """
        if lookup in self.lookups:
            return True
        for each in self.list_filter:
            if name := getattr(each, "parameter_name", None):
                if lookup == name:
                    return True
            else:
                field = each[0] if isinstance(each, tuple | list) else each
                if lookup == field or lookup.startswith(f"{field}__"):
                    return True
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        return visible_to(request.user, rows, self.agent_field) if self.agent_field else rows

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def parse_number(text: str) -> int | None:
    """The number in a URL; None if it is none, or too large for a database."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None
