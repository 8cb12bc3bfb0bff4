"""The tables: what is kept of every chat session.

A chat session has runs, a run has steps (its journal), and both lead to events: the numbered facts that pages show.
What people sent and no run has taken yet lies in the inbox. Only `agentchat.runs.journal` writes to these tables while
a run lives: it holds the rules (one lock order, no hole in `seq`, nothing twice). Pages and admin read.
"""

import uuid
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from agentchat.visitors import Visitor


class ChatSessionQuerySet(models.QuerySet["ChatSession"]):
    def of(self, visitor: "Visitor") -> "ChatSessionQuerySet":
        """The visitor's own, deleted ones left out: every page and frame finds its chat session through this."""
        own = self.filter(deleted_at=None)
        if visitor.user is not None:
            return own.filter(owner=visitor.user)
        if visitor.guest_key:
            return own.filter(owner=None, guest_key=visitor.guest_key)
        return own.none()


class ChatSession(models.Model):
    """One conversation of one owner with one agent function."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="chat_sessions",
    )
    guest_key = models.CharField(_("guest key"), max_length=64, blank=True, editable=False)
    agent = models.CharField(_("agent"), max_length=100)
    title = models.CharField(_("title"), max_length=200, blank=True)
    next_seq = models.PositiveBigIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("started"), auto_now_add=True)
    updated_at = models.DateTimeField(_("last change"), auto_now=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects = ChatSessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("chat session")
        verbose_name_plural = _("chat sessions")
        indexes = [
            models.Index(fields=["owner", "-updated_at"], name="agentchat_owner_updated"),
            models.Index(fields=["guest_key", "-updated_at"], name="agentchat_guest_updated"),
            models.Index(fields=["-created_at"], name="agentchat_created"),
        ]

    def __str__(self) -> str:
        return self.title or str(self.id)

    def get_absolute_url(self) -> str:
        return reverse("agentchat:chat", args=[self.id])


class Run(models.Model):
    """One life of the agent function in a chat session, from its first line to its return."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        WAITING = "waiting", _("waiting for the person")
        FINISHED = "finished", _("finished")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")
        INTERRUPTED = "interrupted", _("interrupted")

    LIVE = (Status.QUEUED, Status.RUNNING, Status.WAITING)

    session = models.ForeignKey(
        ChatSession, verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="runs"
    )
    number = models.PositiveIntegerField(_("number"))
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="branches")
    agent = models.CharField(_("agent"), max_length=100)
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.QUEUED)
    queued_at = models.DateTimeField(_("queued"), auto_now_add=True)
    owner_process = models.CharField(_("process"), max_length=100, blank=True)
    epoch = models.PositiveIntegerField(_("epoch"), default=0)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    waits_until = models.DateTimeField(_("waits until"), null=True, blank=True)
    running_s = models.FloatField(_("seconds of running"), default=0)
    stop_requested = models.BooleanField(_("stop requested"), default=False)
    error_code = models.CharField(_("error"), max_length=50, blank=True)
    error_id = models.CharField(_("error id"), max_length=32, blank=True)
    prompt_tokens = models.PositiveBigIntegerField(_("prompt tokens"), default=0)
    completion_tokens = models.PositiveBigIntegerField(_("completion tokens"), default=0)
    cost = models.DecimalField(_("cost"), max_digits=14, decimal_places=8, null=True, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints = [
            models.UniqueConstraint(fields=["session", "number"], name="agentchat_run_number"),
            models.UniqueConstraint(
                fields=["session"],
                condition=Q(status__in=["queued", "running", "waiting"]),
                name="agentchat_one_live_run",
            ),
        ]
        indexes = [
            # What a keeper asks for every second: what is ready, oldest first, and whose lease has ended.
            models.Index(
                fields=["status", "queued_at"],
                condition=Q(status__in=["queued", "running"]),
                name="agentchat_ready_runs",
            ),
            models.Index(fields=["waits_until"], condition=Q(status="waiting"), name="agentchat_expiring_runs"),
        ]

    def __str__(self) -> str:
        return f"{self.agent} {self.number}"


class Step(models.Model):
    """A journal entry of a run: an LLM reply, a tool result, an input, or the developer's own."""

    class Status(models.TextChoices):
        STARTED = "started", _("started")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    run = models.ForeignKey(Run, verbose_name=_("run"), on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveIntegerField(_("number"))
    kind = models.CharField(_("kind"), max_length=10)
    name = models.CharField(_("name"), max_length=200)
    request_hash = models.CharField(_("request hash"), max_length=64, blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices)
    tries = models.PositiveIntegerField(_("tries"), default=1)
    result: "models.JSONField[Any, Any]" = models.JSONField(_("result"), null=True, blank=True)
    usage: "models.JSONField[Any, Any]" = models.JSONField(_("usage"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"))
    done_at = models.DateTimeField(_("done"), null=True, blank=True)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="agentchat_step_number")]

    def __str__(self) -> str:
        return f"{self.number}: {self.kind} {self.name}"


class InboxItem(models.Model):
    """What a person sent. It waits until a run takes it: `run` and `step` are the input step that did.

    With a run and without a step, it lay in the inbox of a run that never asked for it.
    """

    session = models.ForeignKey(
        ChatSession, verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="inbox"
    )
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="inbox")
    client_id = models.UUIDField(_("client's id"))
    request_id = models.CharField(_("request"), max_length=100, blank=True)
    value: "models.JSONField[Any, Any]" = models.JSONField(_("value"))
    step = models.PositiveIntegerField(_("step"), null=True, blank=True)
    created_at = models.DateTimeField(_("sent"), auto_now_add=True)

    class Meta:
        verbose_name = _("inbox item")
        verbose_name_plural = _("inbox items")
        constraints = [
            # A message that is sent again after a lost connection counts once.
            models.UniqueConstraint(fields=["session", "client_id"], name="agentchat_inbox_client_id"),
        ]
        indexes = [
            models.Index(fields=["session", "id"], condition=Q(run=None), name="agentchat_inbox_untaken"),
            models.Index(fields=["session", "created_at"], name="agentchat_inbox_created"),
        ]

    def __str__(self) -> str:
        return str(self.client_id)


class Event(models.Model):
    """A numbered fact of a chat session. `payload` is its JSON on the wire, without type, seq, at and run."""

    session = models.ForeignKey(
        ChatSession, verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="events"
    )
    seq = models.PositiveBigIntegerField(_("number"))
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.CASCADE, related_name="events")
    step_number = models.PositiveIntegerField(_("step"), null=True, blank=True)
    ordinal = models.PositiveIntegerField(_("ordinal"), default=0)
    type = models.CharField(_("type"), max_length=40)
    payload: "models.JSONField[Any, Any]" = models.JSONField(_("payload"))
    created_at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["session", "seq"], name="agentchat_event_seq"),
            models.UniqueConstraint(fields=["run", "step_number", "ordinal"], name="agentchat_event_origin"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"
