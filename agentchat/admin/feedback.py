"""Ratings of messages and shared links in Django admin."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from agentchat.actions.staff_log import log_reading
from agentchat.admin.base import ReadOnlyAdmin, may_purge
from agentchat.admin.keyset_lists import AgentOfChatFilter, CursorFilter
from agentchat.events import TextMessageEnd
from agentchat.models import Event, Feedback, Share


@admin.register(Feedback)
class FeedbackAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "value", "comment", "agent", "chat_session", "updated_at")
    list_filter = (CursorFilter, "value", AgentOfChatFilter, "updated_at", ("comment", admin.EmptyFieldListFilter))
    list_select_related = ("session",)
    agent_field = "session__agent"
    listed_by = "updated_at"
    ordering = ("-updated_at",)
    search_fields = ("comment", "session__id", "session__title")
    search_help_text = _("Search by comment, chat ID, or chat title")
    actions = None
    fields = ("chat_session", "agent", "value", "comment", "answer", "message_id", "created_at", "updated_at")

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

    @admin.display(description=_("rated answer"))
    def answer(self, feedback: Feedback) -> str:
        ends = Event.objects.filter(session=feedback.session_id, type=TextMessageEnd.type)
        content = ends.filter(payload__messageId=feedback.message_id).values_list("payload__content", flat=True).first()
        return content or self.get_empty_value_display()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Admin checks it when a chat session or its owner is deleted with all its feedback.
        return may_purge(request.user)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        feedback = self.get_object(request, object_id)
        if feedback is not None and self.has_view_permission(request, feedback):
            log_reading(feedback.session, request.user)  # of the answer that is rated
        return super().change_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        raise PermissionDenied  # it is the user's


@admin.register(Share)
class ShareAdmin(ReadOnlyAdmin):
    """The links by which anyone can read a chat. Deleting one revokes it."""

    list_display = ("chat_session", "owner_name", "last_seq", "created_at")
    list_display_links = ("created_at",)  # the first column has a link of its own
    list_filter = (CursorFilter,)
    list_select_related = ("session", "session__owner")
    agent_field = "session__agent"
    listed_by = "created_at"
    ordering = ("-created_at",)
    search_fields = ("session__id", "session__title")
    search_help_text = _("Search by chat ID or title")
    fields = ("chat_session", "owner_name", "last_seq", "created_at")  # not the token, which grants access

    @admin.display(description=_("chat session"), ordering="session__title")
    def chat_session(self, link: Share) -> Any:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:agentchat_chatsession_change", args=[link.session_id]), link.session
        )

    @admin.display(description=_("owner"))
    def owner_name(self, link: Share) -> Any:
        return link.session.owner or _("guest")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Links are deleted with their chat session: admin checks the permissions for both.
        return request.user.has_perm("agentchat.delete_share") or may_purge(request.user)
