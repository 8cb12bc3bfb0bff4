"""Staff's view of the chats: find them, read them, see what a run did and when, stop one.

Nothing is added or edited here: the tables belong to the journal. Whoever may change chat sessions may stop their
runs; whoever may delete them may delete them, with all that was said. Each page asks a fixed number of queries and
shows a limited part of what is long.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agentchat import transcript
from agentchat.events import TextMessageStart
from agentchat.models import ChatSession, Event, InboxItem, Run, Step
from agentchat.runs import control

TRANSCRIPT_EVENTS = 500
RUNS_SHOWN = 50
STEPS_SHOWN = 200
JSON_SHOWN = 20_000  # characters of one result


class ReadOnlyAdmin(admin.ModelAdmin):
    """Pages to read. "change" is the permission to stop runs; it opens no form."""

    show_full_result_count = False
    list_per_page = 100
    view_on_site = False  # the chat page is its owner's

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


# --- chat sessions --------------------------------------------------------------------------------------------------


class StatusFilter(admin.SimpleListFilter):
    """By the status of the newest run."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, Any]]:
        return list(Run.Status.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(newest_status=self.value()) if self.value() else queryset


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnlyAdmin):
    list_display = ("name", "person", "agent", "status", "tokens", "created_at")
    list_filter = (StatusFilter, "agent", "created_at", ("deleted_at", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    search_help_text = _("Title, id or owner's name")
    actions = ("stop",)
    fields = ("name", "id", "person", "agent", "status", "tokens", "cost", "created_at", "updated_at", "deleted_at")
    change_form_template = "agentchat/admin/chat_session.html"

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return ["title", "id", f"owner__{get_user_model().USERNAME_FIELD}"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChatSession]:
        runs = Run.objects.filter(session=OuterRef("pk"))
        totals = runs.order_by().values("session")
        tokens = totals.annotate(total=Sum(F("prompt_tokens") + F("completion_tokens"))).values("total")
        return (
            super()
            .get_queryset(request)
            .annotate(
                newest_status=Subquery(runs.order_by("-number").values("status")[:1]),
                total_tokens=Coalesce(Subquery(tokens), 0),
                total_cost=Subquery(totals.annotate(total=Sum("cost")).values("total")),
            )
        )

    @admin.display(description=_("title"), ordering="title")
    def name(self, session: ChatSession) -> Any:
        return session.title or _("(no message yet)")

    @admin.display(description=_("owner"), ordering="owner")
    def person(self, session: ChatSession) -> Any:
        return session.owner or _("guest")

    @admin.display(description=_("status"), ordering="newest_status")
    def status(self, session: Any) -> Any:
        return Run.Status(session.newest_status).label if session.newest_status else self.get_empty_value_display()

    @admin.display(description=_("tokens"), ordering="total_tokens")
    def tokens(self, session: Any) -> int:
        return int(session.total_tokens)

    @admin.display(description=_("cost in US dollars"))
    def cost(self, session: Any) -> Any:
        return session.total_cost if session.total_cost is not None else self.get_empty_value_display()

    # --- stopping ---

    def has_stop_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("agentchat.change_chatsession")

    @admin.action(description=_("Stop what is running in the selected chat sessions"), permissions=["stop"])
    def stop(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> None:
        live = queryset.filter(newest_status__in=Run.LIVE)
        stopped = [session for session in live if control.stop(session.pk, by=request.user.get_username())]
        for session in stopped:
            self.log_change(request, session, "Stopped.")
        words = ngettext("%d chat session was stopped.", "%d chat sessions were stopped.", len(stopped))
        level = messages.SUCCESS if stopped else messages.WARNING
        self.message_user(request, words % len(stopped), level)

    # --- deleting ---

    def delete_model(self, request: HttpRequest, obj: ChatSession) -> None:
        self.delete_queryset(request, ChatSession.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> None:
        # An agent that talks to nobody still costs.
        for pk in queryset.filter(runs__status__in=Run.LIVE).values_list("pk", flat=True):
            control.stop(pk, by=request.user.get_username())
        super().delete_queryset(request, queryset)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """What goes with them, as numbers: the usual list would name every step and every event."""
        keys = [session.pk for session in objs]
        counts = {ChatSession._meta.verbose_name_plural: len(keys)}
        for model, lookup in ((Run, "session"), (Step, "run__session"), (InboxItem, "session"), (Event, "session")):
            counts[model._meta.verbose_name_plural] = model._default_manager.filter(**{f"{lookup}__in": keys}).count()
        return [str(session) for session in objs], {str(name): count for name, count in counts.items()}, set(), []

    # --- one chat session ---

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        session = self.get_object(request, object_id)
        if session is not None and self.has_view_permission(request, session):
            before = request.GET.get("before", "")
            events, is_cut = _last_events(session.pk, int(before) if before.isascii() and before.isdigit() else None)
            runs = list(session.runs.order_by("-number")[: RUNS_SHOWN + 1])
            extra_context = {
                **(extra_context or {}),
                "transcript": transcript.of_events(events),
                "earlier_before": events[0].seq if is_cut else None,
                "is_newest_part": not before,
                "chat_runs": runs[:RUNS_SHOWN],
                "has_more_runs": len(runs) > RUNS_SHOWN,
                "can_stop": session.newest_status in Run.LIVE and self.has_stop_permission(request),
            }
        return super().change_view(request, object_id, form_url, extra_context)


def _last_events(session_id: UUID, before: int | None) -> tuple[list[Event], bool]:
    """The last events (with `seq < before`), in order, and whether there are earlier ones."""
    events = Event.objects.filter(session_id=session_id)
    if before is not None:
        events = events.filter(seq__lt=before)
    newest_first = list(events.order_by("-seq")[: TRANSCRIPT_EVENTS + 1])
    is_cut = len(newest_first) > TRANSCRIPT_EVENTS
    rows = newest_first[TRANSCRIPT_EVENTS - 1 :: -1]
    if is_cut:
        # Begin with a message: half of one would be on neither page.
        starts = (index for index, event in enumerate(rows) if event.type == TextMessageStart.type)
        rows = rows[next(starts, 0) :]
    return rows, is_cut


# --- runs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ShownStep:
    """A step as the run's page shows it."""

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
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if len(text) <= JSON_SHOWN else text[:JSON_SHOWN] + "\n…"


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "chat_session", "status", "tokens", "queued_at", "started_at", "finished_at")
    list_filter = ("status", "agent", "queued_at")
    list_select_related = ("session",)
    date_hierarchy = "queued_at"
    ordering = ("-queued_at",)
    search_fields = ("=error_id", "session__id", "session__title")
    search_help_text = _("Error id, or a chat session's id or title")
    actions = None
    fields = (
        *("chat_session", "number", "agent", "status", "stop_requested", "queued_at", "started_at", "finished_at"),
        *("duration", "tokens", "prompt_tokens", "completion_tokens", "cost", "error_code", "error_id"),
        *("owner_process", "epoch", "lease_until"),
    )
    change_form_template = "agentchat/admin/run.html"

    @admin.display(description=_("chat session"), ordering="session__title")
    def chat_session(self, run: Run) -> Any:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:agentchat_chatsession_change", args=[run.session_id]), run.session
        )

    @admin.display(description=_("tokens"), ordering=F("prompt_tokens") + F("completion_tokens"))
    def tokens(self, run: Run) -> int:
        return run.prompt_tokens + run.completion_tokens

    @admin.display(description=_("from its start to its end"))
    def duration(self, run: Run) -> Any:
        if run.started_at is None or run.finished_at is None:
            return self.get_empty_value_display()
        return run.finished_at - run.started_at

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Admin asks it when a chat session or its owner is deleted with all its runs.
        return request.user.has_perm("agentchat.delete_chatsession")

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # A run alone would leave a hole in its chat session's events.
        raise PermissionDenied

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        if run is not None and self.has_view_permission(request, run):
            after = request.GET.get("after", "")
            steps = run.steps.order_by("number")
            if after.isascii() and after.isdigit():
                steps = steps.filter(number__gt=int(after))
            shown = list(_shown(steps[: STEPS_SHOWN + 1]))
            extra_context = {
                **(extra_context or {}),
                "steps": shown[:STEPS_SHOWN],
                "next_after": shown[STEPS_SHOWN - 1].step.number if len(shown) > STEPS_SHOWN else None,
                "show_delete": False,
            }
        return super().change_view(request, object_id, form_url, extra_context)
