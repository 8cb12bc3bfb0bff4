"""Budgets, what was warned of, and pauses in Django admin. Each edit is in admin's log, as Django keeps it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import models
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from agentchat.admin.base import ReadOnlyAdmin
from agentchat.admin.keyset_lists import CursorFilter
from agentchat.budgets.metering import Standing, standings_of
from agentchat.core import registry
from agentchat.i18n.system_messages import moment_text
from agentchat.models import BudgetWarning, Pause, UsageBudget
from agentchat.presentation.budgets import amount_text
from agentchat.visitors import name_of


@admin.register(UsageBudget)
class BudgetAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Those of the setting BUDGETS hold beside these, and are not listed."""

    list_display = ("__str__", "used_now", "renews", "is_active")
    list_filter = ("of", "what", "per", "is_active")
    search_fields = ("name",)
    fields = ("of", "name", "what", "limit", "per", "is_active")
    ordering = ("of", "name", "what", "per", "pk")

    @admin.display(description=_("used now"))
    def used_now(self, budget: UsageBudget) -> str:
        """Of one that is shared; each of the others has many shares."""
        standing = _standing(budget)
        if standing is None:
            return self.get_empty_value_display()
        return f"{amount_text(standing.rule, standing.used)} ({standing.percent_used} %)"

    @admin.display(description=_("renews"))
    def renews(self, budget: UsageBudget) -> str:
        [standing] = standings_of([(budget.rule, ("site", ""))])
        return moment_text(standing.renews_at)


def _standing(budget: UsageBudget) -> Standing | None:
    rule = budget.rule
    if rule.of in ("owner", "member") or (rule.of in ("group", "agent") and not rule.name):
        return None
    [standing] = standings_of([(rule, (rule.of, rule.name))])
    return standing


@admin.register(BudgetWarning)
class BudgetWarningAdmin(ReadOnlyAdmin):
    """Budgets of which 80 % was used, and by whom. A record: nobody edits or deletes it."""

    list_display = ("__str__", "whose", "amount", "since", "reached_at")
    list_filter = (CursorFilter, "of", "what", "per", "reached_at")
    listed_by = "reached_at"
    ordering = ("-reached_at",)
    actions = None
    fields = ("of", "name", "what", "limit", "per", "whose", "amount", "since", "reached_at")

    @admin.display(description=_("used"))
    def amount(self, warning: BudgetWarning) -> str:
        return warning.amount_text(warning.used)

    @admin.display(description=_("used by"))
    def whose(self, warning: BudgetWarning) -> str:
        kind, _space, key = warning.key.partition(" ")
        if warning.of not in ("owner", "member"):
            return warning.key or self.get_empty_value_display()
        user = get_user_model()._default_manager.filter(pk=key).first() if kind == "user" else None
        return name_of(user) if user is not None else gettext("guest")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Pause)
class PauseAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """To end a pause, delete it."""

    list_display = ("__str__", "sentence", "created_at")
    fields = ("agent", "sentence")
    ordering = ("agent",)

    def formfield_for_dbfield(self, db_field: "models.Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name != "agent":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        known = [(name, f"{agent.title} ({name})") for name in registry.names() if (agent := registry.find(name))]
        gone = Pause.objects.exclude(agent__in=["", *registry.names()]).values_list("agent", "agent")
        choices = [("", _("the whole site")), *known, *gone]
        return forms.ChoiceField(choices=choices, required=False, label=capfirst(db_field.verbose_name))
