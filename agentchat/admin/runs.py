"""Runs in Django admin: search, the timeline of each, and its steps with their times, requests and results."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from agentchat.actions.staff_log import log_reading
from agentchat.admin.base import ReadOnlyAdmin, may_purge, parse_number
from agentchat.admin.keyset_lists import AgentFilter, CursorFilter
from agentchat.admin.timeline import cost_of, timeline_of, tokens_of
from agentchat.core.indented_json import indented
from agentchat.core.secrets import mask_json
from agentchat.infra.ids import parse_uuid
from agentchat.models import Run, Step

MAX_STEPS_SHOWN = 200

MAX_JSON_CHARS = 20_000  # characters of one result


@dataclass(frozen=True, kw_only=True)
class ShownStep:
    """A step, prepared for the page of its run."""

    step: Step
    seconds: float | None
    first_token: float | None
    tokens: int | None
    cost: float | None
    has_request: bool
    result: str


def _shown(steps: Iterable[Step], kept: frozenset[int]) -> Iterator[ShownStep]:
    """`kept` are the numbers of the steps whose requests were kept."""
    for step in steps:
        yield ShownStep(
            step=step,
            seconds=(step.done_at - step.started_at).total_seconds() if step.done_at else None,
            first_token=None if step.first_token_ms is None else step.first_token_ms / 1000,
            tokens=tokens_of(step.usage),
            cost=cost_of(step.usage),
            has_request=step.number in kept,
            result=_pretty(_without_secret(step.result)),
        )


def _without_secret(result: Any) -> Any:
    """Not even the encrypted form of a password that the user was asked for."""
    is_sealed = isinstance(result, Mapping) and set(result) == {"sealed"}
    return {"sealed": "…"} if is_sealed else result


def _pretty(value: Any) -> str:
    if value is None:
        return ""
    try:
        text = indented(mask_json(value), default=repr)
    except (RecursionError, ValueError):  # nested too deeply
        return gettext("This can't be shown.")
    return text if len(text) <= MAX_JSON_CHARS else text[:MAX_JSON_CHARS] + "\n…"


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "chat_session", "status", "tokens", "queued_at", "started_at", "finished_at")
    list_filter = (CursorFilter, "status", AgentFilter, "queued_at")
    list_select_related = ("session",)
    listed_by = "queued_at"
    agent_field = "agent"
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
        return may_purge(request.user)

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
            found = list(steps[: MAX_STEPS_SHOWN + 1])
            rows = found[:MAX_STEPS_SHOWN]
            kept = run.requests.filter(number__in=[step.number for step in rows]).values_list("number", flat=True)
            log_reading(run.session, request.user)
            extra_context = {
                **(extra_context or {}),
                "timeline": timeline_of(run, rows),
                "steps": list(_shown(rows, frozenset(kept))),
                "next_after": rows[-1].number if len(found) > MAX_STEPS_SHOWN else None,
                "show_delete": False,
            }
        return super().change_view(request, object_id, form_url, extra_context)

    # --- what a model was asked ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.step_view)
        own = path("<int:run_id>/step/<int:number>/", view, name="agentchat_run_step")
        return [own, *super().get_urls()]

    def step_view(self, request: HttpRequest, run_id: int, number: int) -> HttpResponse:
        """The request of one step, if it was kept, and the reply."""
        run = self.get_object(request, str(run_id))
        if run is None or not self.has_view_permission(request, run):
            raise Http404 if self.has_view_permission(request) else PermissionDenied
        step = get_object_or_404(Step, run=run, number=number)
        kept = run.requests.filter(number=number).first()
        content = kept.content if kept is not None and isinstance(kept.content, Mapping) else None
        log_reading(run.session, request.user)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Step %(number)s: %(name)s") % {"number": step.number, "name": step.name},
            "run": run,
            "is_kept": content is not None,
            "request_messages": [*_messages(content or {})],
            "left_out": (content or {}).get("messages_left_out", 0),
            "tools": _pretty((content or {}).get("tools") or None),
            "reply": _pretty(_without_secret(step.result)),
        }
        return TemplateResponse(request, "agentchat/admin/step.html", context)


def _messages(content: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for message in content.get("messages") or ():
        if not isinstance(message, Mapping):
            yield {"role": "?", "content": _pretty(message)}
            continue
        text, rest = message.get("content"), {key: each for key, each in message.items() if key != "role"}
        is_plain = isinstance(text, str) and set(rest) <= {"content", "name"}
        role = " ".join(str(message[key]) for key in ("role", "name") if message.get(key))
        yield {"role": role, "content": str(text) if is_plain else _pretty(rest)}
