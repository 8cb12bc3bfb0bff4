"""Chat sessions in Django admin: search, read, stop, delete.

Nothing is added or edited here: the journal writes these tables. What staff may do has permissions of its own: to view
chats, to stop their runs, to delete them with all messages, to export them. What they do is in admin's log, that they
have read a chat, too. Each page takes a fixed number of queries, and shows a limited part of what is long.
"""

from functools import reduce
from operator import and_
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agentchat.actions import chats
from agentchat.actions import messages as chat_messages
from agentchat.actions.handovers import EXPORT, may_watch
from agentchat.actions.staff_log import log_reading
from agentchat.admin.base import ReadOnlyAdmin, may_purge, may_stop, parse_number
from agentchat.admin.dashboard import statistics_response
from agentchat.admin.keyset_lists import AgentFilter, CursorFilter
from agentchat.admin.replay import moment_of
from agentchat.infra.database import USER_TIMEOUT_SECONDS, lock_timeout
from agentchat.infra.ids import parse_uuid
from agentchat.models import ChatSession, Event, InboxItem, Run, Step, StepRequest
from agentchat.presentation.pagination import page_of
from agentchat.realtime import chat_list
from agentchat.runs.branching.tree import Tree

MAX_RUNS_SHOWN = 50
MAX_OWNERS_FOUND = 100
DELETE_BATCH_SIZE = 50  # chat sessions, with all their events: other transactions run in between


# --- chat sessions --------------------------------------------------------------------------------------------------


class StatusFilter(admin.SimpleListFilter):
    """By the status of the newest run."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Run.Status.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(newest_status=self.value()) if self.value() else queryset


@admin.register(ChatSession)
class ChatSessionAdmin(ReadOnlyAdmin):
    list_display = ("name", "owner_name", "agent", "status", "tokens", "created_at")
    list_filter = (CursorFilter, StatusFilter, AgentFilter, "created_at", ("deleted_at", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    listed_by = "created_at"
    agent_field = "agent"
    ordering = ("-created_at",)
    search_fields = ("title",)
    search_help_text = _("Search by title, ID, or the start of an owner's name")
    lookups = ("owner__id__exact",)
    actions = ("stop",)
    fields = ("name", "id", "owner_name", "agent", "status", "tokens", "cost", "created_at", "updated_at", "deleted_at")
    change_form_template = "agentchat/admin/chat_session.html"
    change_list_template = "agentchat/admin/chat_sessions.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[ChatSession], search_term: str
    ) -> tuple[QuerySet[ChatSession], bool]:
        """Search by one kind of key after the other, each with its index. A title must contain all words given."""
        term = search_term.strip()
        if (key := parse_uuid(term)) is not None:
            return queryset.filter(pk=key), False
        users = get_user_model()
        named = users._default_manager.filter(**{f"{users.USERNAME_FIELD}__startswith": term})
        titled = reduce(and_, (Q(title__icontains=word) for word in term.split()), Q())
        if term and (owners := list(named.values_list("pk", flat=True)[:MAX_OWNERS_FOUND])):
            titled |= Q(owner__in=owners)
        return queryset.filter(titled), False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChatSession]:
        runs = Run.objects.filter(session=OuterRef("pk"))
        totals = runs.order_by().values("session")
        tokens = totals.annotate(total=Sum(F("prompt_tokens") + F("completion_tokens"))).values("total")
        sessions: QuerySet[ChatSession] = super().get_queryset(request)
        return sessions.annotate(
            newest_status=Subquery(runs.order_by("-number").values("status")[:1]),
            total_tokens=Coalesce(Subquery(tokens), 0),
            total_cost=Subquery(totals.annotate(total=Sum("cost")).values("total")),
        )

    @admin.display(description=_("title"), ordering="title")
    def name(self, session: ChatSession) -> Any:
        return session.title or _("(no messages yet)")

    @admin.display(description=_("owner"), ordering="owner")
    def owner_name(self, session: ChatSession) -> Any:
        return session.owner or _("guest")

    @admin.display(description=_("status"), ordering="newest_status")
    def status(self, session: Any) -> Any:
        status = session.newest_status
        return dict(Run.Status.choices).get(status, status) or self.get_empty_value_display()

    @admin.display(description=_("tokens"), ordering="total_tokens")
    def tokens(self, session: Any) -> int:
        return int(session.total_tokens)

    @admin.display(description=_("cost (USD)"))
    def cost(self, session: Any) -> Any:
        return session.total_cost if session.total_cost is not None else self.get_empty_value_display()

    # --- stopping ---

    def has_stop_permission(self, request: HttpRequest) -> bool:
        return may_stop(request.user)

    @admin.action(description=_("Stop selected chat sessions"), permissions=["stop"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        live = queryset.filter(newest_status__in=Run.LIVE)
        stopped = [session for session in live if chat_messages.stop(session.pk, by=request.user.get_username())]
        for session in stopped:
            self.log_change(request, session, "Stopped.")
        message = ngettext("%d chat session was stopped.", "%d chat sessions were stopped.", len(stopped))
        level = messages.SUCCESS if stopped else messages.WARNING
        self.message_user(request, message % len(stopped), level)

    # --- deleting ---

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_purge(request.user)

    def delete_model(self, request: HttpRequest, obj: ChatSession) -> None:
        self.delete_queryset(request, ChatSession.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ChatSession]) -> None:
        # A run that nobody reads still costs.
        for pk in queryset.filter(runs__status__in=Run.LIVE).values_list("pk", flat=True):
            chats.stop_run(pk, by=request.user.get_username())
        owners = list(queryset.values_list("owner_id", "guest_key").distinct())
        keys = list(queryset.values_list("pk", flat=True))
        for start in range(0, len(keys), DELETE_BATCH_SIZE):
            with lock_timeout(USER_TIMEOUT_SECONDS):
                super().delete_queryset(
                    request, ChatSession.objects.filter(pk__in=keys[start : start + DELETE_BATCH_SIZE])
                )
        for owner in owners:
            chat_list.notify_owner(*owner)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """What is deleted with them, as numbers: Django's own list would name every step and event."""
        keys = [session.pk for session in objs]
        counts = {ChatSession._meta.verbose_name_plural: len(keys)}
        in_run = ((Step, "run__session"), (StepRequest, "run__session"))
        for model, lookup in ((Run, "session"), *in_run, (InboxItem, "session"), (Event, "session")):
            counts[model._meta.verbose_name_plural] = model._default_manager.filter(**{f"{lookup}__in": keys}).count()
        return [str(session) for session in objs], {str(name): count for name, count in counts.items()}, set(), []

    # --- one chat session ---

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        session = self.get_object(request, object_id)
        if session is not None and self.has_view_permission(request, session):
            log_reading(session, request.user)
            before = request.GET.get("before", "")
            tree = Tree.of(session.pk)
            head = tree.head_of(session)
            branch = parse_number(request.GET.get("branch", ""))
            if branch is not None and (node := tree.numbered(branch)):
                head = node.pk
            shown = Event.objects.filter(tree.condition(head), session=session)
            page = page_of(shown, session.next_seq, before=parse_number(before))
            runs = list(session.runs.order_by("-number")[: MAX_RUNS_SHOWN + 1])
            extra_context = {
                **(extra_context or {}),
                "transcript": page.transcript,
                "earlier_before": page.earlier,
                "is_newest_part": not before,
                "branch": tree[head].number if branch and head else None,
                "feedback": session.feedback.order_by("-updated_at")[:MAX_RUNS_SHOWN],
                "chat_runs": runs[:MAX_RUNS_SHOWN],
                "has_more_runs": len(runs) > MAX_RUNS_SHOWN,
                "has_open_questions": session.delegated_questions.filter(closed_at=None).exists(),
                "can_watch": may_watch(request.user, session.pk),
                "can_export": session.deleted_at is None and request.user.has_perm(EXPORT),
                "can_stop": session.newest_status in Run.LIVE and self.has_stop_permission(request),
            }
        return super().change_view(request, object_id, form_url, extra_context)

    # --- one chat session, as it was ---

    def get_urls(self) -> list[URLPattern]:
        replay = self.admin_site.admin_view(self.replay_view)
        statistics = self.admin_site.admin_view(self.statistics_view)
        return [
            path("<uuid:chat_id>/replay/", replay, name="agentchat_replay"),
            path("statistics/", statistics, name="agentchat_statistics"),
            *super().get_urls(),
        ]

    def statistics_view(self, request: HttpRequest) -> HttpResponse:
        """How many runs there were, how they ended, what they used: by day, agent or owner."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return statistics_response(request, {**self.admin_site.each_context(request), "opts": self.opts})

    def replay_view(self, request: HttpRequest, chat_id: UUID) -> HttpResponse:
        """The chat as it was at one of its events: `?at=`."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        session = self.get_object(request, str(chat_id))
        if session is None:
            raise Http404
        log_reading(session, request.user)
        at, before = (parse_number(request.GET.get(name, "")) for name in ("at", "before"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("The chat as it was"),
            "original": session,
            "moment": moment_of(session, at, before),
        }
        return TemplateResponse(request, "agentchat/admin/replay.html", context)
