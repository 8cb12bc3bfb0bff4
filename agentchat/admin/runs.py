"""Runs in Django admin: search, and the steps of each with their times and results."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from agentchat.admin.base import ReadOnlyAdmin, parse_number
from agentchat.admin.keyset_lists import AgentFilter, CursorFilter
from agentchat.core.indented_json import indented
from agentchat.infra.ids import parse_uuid
from agentchat.models import Run, Step

MAX_STEPS_SHOWN = 200

MAX_JSON_CHARS = 20_000  # characters of one result


@dataclass(frozen=True, kw_only=True)
class ShownStep:
    """A step, prepared for the page of its run."""

    step: Step
    seconds: float | None
    result: str
    usage: str


def _shown(steps: QuerySet[Step]) -> Iterator[ShownStep]:
    for step in steps:
        yield ShownStep(
            step=step,
            seconds=(step.done_at - step.started_at).total_seconds() if step.done_at else None,
            result=_pretty(step.result),
            usage=_pretty(step.usage),
        )


def _pretty(value: Any) -> str:
    if value is None:
        return ""
    try:
        text = indented(value, default=repr)
    except (RecursionError, ValueError):  # nested too deeply
        return gettext("This can't be shown.")
    return text if len(text) <= MAX_JSON_CHARS else text[:MAX_JSON_CHARS] + "\n…"


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "chat_session", "status", "tokens", "queued_at", "started_at", "finished_at")
    list_filter = (CursorFilter, "status", AgentFilter, "queued_at")
    list_select_related = ("session",)
    listed_by = "queued_at"
    ordering = ("-queued_at",)
    search_fields = ("error_id",)
    search_help_text = _("Search by error ID, chat ID, or chat title")
    actions = None
    lookups = ("session__id__exact",)  # where the page of a chat session links to
    fields = (
        *("chat_session", "number", "agent", "status", "stop_requested", "queued_at", "started_at", "finished_at"),
        *("duration", "tokens", "prompt_tokens", "completion_tokens", "cost", "error_code", "error_id"),
        *("owner_process", "epoch", "lease_until", "crashes"),
    )
    change_form_template = "agentchat/admin/run.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Run], search_term: str
    ) -> tuple[QuerySet[Run], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if (key := parse_uuid(term)) is not None:
            return queryset.filter(session=key), False
        failed = queryset.filter(error_id=term)
        return failed if failed.exists() else queryset.filter(session__title__icontains=term), False

    @admin.display(description=_("chat session"), ordering="session__title")
    def chat_session(self, run: Run) -> Any:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:agentchat_chatsession_change", args=[run.session_id]), run.session
        )

    @admin.display(description=_("tokens"), ordering=F("prompt_tokens") + F("completion_tokens"))
    def tokens(self, run: Run) -> int:
        return run.prompt_tokens + run.completion_tokens

    @admin.display(description=_("duration"))
    def duration(self, run: Run) -> Any:
        if run.started_at is None or run.finished_at is None:
            return self.get_empty_value_display()
        return run.finished_at - run.started_at

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Admin checks it when a chat session or its owner is deleted with all its runs.
        return request.user.has_perm("agentchat.delete_chatsession")

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # Deleting one run would leave a gap in the numbers of its chat session's events.
        raise PermissionDenied

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        if run is not None and self.has_view_permission(request, run):
            after = parse_number(request.GET.get("after", ""))
            steps = run.steps.order_by("number")
            if after is not None:
                steps = steps.filter(number__gt=after)
            shown = list(_shown(steps[: MAX_STEPS_SHOWN + 1]))
            extra_context = {
                **(extra_context or {}),
                "steps": shown[:MAX_STEPS_SHOWN],
                "next_after": shown[MAX_STEPS_SHOWN - 1].step.number if len(shown) > MAX_STEPS_SHOWN else None,
                "show_delete": False,
            }
        return super().change_view(request, object_id, form_url, extra_context)
