"""Staff's view of the chats: find them, read them, see what a run did and when, stop one.

Nothing is added or edited here: the tables belong to the journal. Whoever may change chat sessions may stop their
runs; whoever may delete them may delete them, with all that was said. Each page asks a fixed number of queries and
shows a limited part of what is long.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agentchat.admin_lists import AgentFilter, AgentOfChatFilter, KeysetAdmin, PlaceFilter
from agentchat.events import TextMessageEnd
from agentchat.models import ChatSession, Event, Feedback, InboxItem, Run, Share, Step
from agentchat.parts import part_of
from agentchat.runs import chats, control, lists
from agentchat.runs.branches import Tree
from agentchat.runs.database import PERSON_S, brief_locks

RUNS_SHOWN = 50
STEPS_SHOWN = 200
OWNERS_FOUND = 100
DELETED_AT_ONCE = 50  # chat sessions, with all their events: others want to write meanwhile
JSON_SHOWN = 20_000  # characters of one result


class ReadOnlyAdmin(KeysetAdmin):
    """Pages to read. "change" is the permission to stop runs; it opens no form."""

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
    list_filter = (PlaceFilter, StatusFilter, AgentFilter, "created_at", ("deleted_at", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    listed_by = "created_at"
    ordering = ("-created_at",)
    search_fields = ("title",)
    search_help_text = _("Words of the title, an id, or how an owner's name begins")
    actions = ("stop",)
    fields = ("name", "id", "person", "agent", "status", "tokens", "cost", "created_at", "updated_at", "deleted_at")
    change_form_template = "agentchat/admin/chat_session.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ChatSession], search_term: str
    ) -> tuple[QuerySet[ChatSession], bool]:
        """One kind of thing after the other, so that each is found by its index; all words of a title must be in it."""
        term = search_term.strip()
        if (key := _uuid(term)) is not None:
            return queryset.filter(pk=key), False
        users = get_user_model()
        named = users._default_manager.filter(**{f"{users.USERNAME_FIELD}__startswith": term})
        titled = reduce(and_, (Q(title__icontains=word) for word in term.split()), Q())
        if term and (owners := list(named.values_list("pk", flat=True)[:OWNERS_FOUND])):
            titled |= Q(owner__in=owners)
        return queryset.filter(titled), False

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
            chats.stop(pk, by=request.user.get_username())
        owners = list(queryset.values_list("owner_id", "guest_key").distinct())
        keys = list(queryset.values_list("pk", flat=True))
        for start in range(0, len(keys), DELETED_AT_ONCE):
            with brief_locks(PERSON_S):
                super().delete_queryset(
                    request, ChatSession.objects.filter(pk__in=keys[start : start + DELETED_AT_ONCE])
                )
        for owner in owners:
            lists.ring(*owner)

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
            tree = Tree.of(session.pk)
            head = tree.head_of(session)
            branch = _number(request.GET.get("branch", ""))
            if branch is not None and (node := tree.numbered(branch)):
                head = node.pk
            shown = Event.objects.filter(tree.condition(head), session=session)
            part = part_of(shown, session.next_seq, before=_number(before))
            runs = list(session.runs.order_by("-number")[: RUNS_SHOWN + 1])
            extra_context = {
                **(extra_context or {}),
                "transcript": part.transcript,
                "earlier_before": part.earlier,
                "is_newest_part": not before,
                "branch": tree[head].number if branch and head else None,
                "feedback": session.feedback.order_by("-updated_at")[:RUNS_SHOWN],
                "chat_runs": runs[:RUNS_SHOWN],
                "has_more_runs": len(runs) > RUNS_SHOWN,
                "can_stop": session.newest_status in Run.LIVE and self.has_stop_permission(request),
            }
        return super().change_view(request, object_id, form_url, extra_context)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _number(text: str) -> int | None:
    """The number in an address; None where there is none that a database could hold."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


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
    list_filter = (PlaceFilter, "status", AgentFilter, "queued_at")
    list_select_related = ("session",)
    listed_by = "queued_at"
    ordering = ("-queued_at",)
    search_fields = ("error_id",)
    search_help_text = _("Error id, or a chat session's id or title")
    actions = None
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
        if (key := _uuid(term)) is not None:
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
            after = _number(request.GET.get("after", ""))
            steps = run.steps.order_by("number")
            if after is not None:
                steps = steps.filter(number__gt=after)
            shown = list(_shown(steps[: STEPS_SHOWN + 1]))
            extra_context = {
                **(extra_context or {}),
                "steps": shown[:STEPS_SHOWN],
                "next_after": shown[STEPS_SHOWN - 1].step.number if len(shown) > STEPS_SHOWN else None,
                "show_delete": False,
            }
        return super().change_view(request, object_id, form_url, extra_context)


# --- feedback -------------------------------------------------------------------------------------------------------


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "value", "comment", "agent", "chat_session", "updated_at")
    list_filter = (PlaceFilter, "value", AgentOfChatFilter, "updated_at", ("comment", admin.EmptyFieldListFilter))
    list_select_related = ("session",)
    listed_by = "updated_at"
    ordering = ("-updated_at",)
    search_fields = ("comment", "session__id", "session__title")
    search_help_text = _("Words of a comment, or a chat session's id or title")
    actions = None
    fields = ("chat_session", "agent", "value", "comment", "words", "message_id", "created_at", "updated_at")

    @admin.display(description=_("agent"), ordering="session__agent")
    def agent(self, feedback: Feedback) -> str:
        return feedback.session.agent

    @admin.display(description=_("chat session"), ordering="session__title")
    def chat_session(self, feedback: Feedback) -> Any:
        return format_html(
            '<a href="{}">{}</a>',
            reverse("admin:agentchat_chatsession_change", args=[feedback.session_id]),
            feedback.session,
        )

    @admin.display(description=_("what was said"))
    def words(self, feedback: Feedback) -> str:
        ends = Event.objects.filter(session=feedback.session_id, type=TextMessageEnd.type)
        said = ends.filter(payload__messageId=feedback.message_id).values_list("payload__content", flat=True).first()
        return said or self.get_empty_value_display()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Admin asks it when a chat session or its owner is deleted with all its feedback.
        return request.user.has_perm("agentchat.delete_chatsession")

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        raise PermissionDenied  # it is the person's word


# --- shared links ---------------------------------------------------------------------------------------------------


@admin.register(Share)
class ShareAdmin(ReadOnlyAdmin):
    """The links by which anybody may read a chat. To delete one is to withdraw it."""

    list_display = ("chat_session", "person", "last_seq", "created_at")
    list_filter = (PlaceFilter,)
    list_select_related = ("session", "session__owner")
    listed_by = "created_at"
    ordering = ("-created_at",)
    search_fields = ("session__id", "session__title")
    search_help_text = _("A chat session's id or title")
    fields = ("chat_session", "person", "last_seq", "created_at")  # not the token: whoever has it may read

    @admin.display(description=_("chat session"), ordering="session__title")
    def chat_session(self, link: Share) -> Any:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:agentchat_chatsession_change", args=[link.session_id]), link.session
        )

    @admin.display(description=_("owner"))
    def person(self, link: Share) -> Any:
        return link.session.owner or _("guest")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # The links of a chat session go with it: admin asks for leave for both.
        return request.user.has_perm("agentchat.delete_share") or request.user.has_perm("agentchat.delete_chatsession")
