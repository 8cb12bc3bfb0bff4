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
        return self.all_of(visitor).filter(deleted_at=None)

    def all_of(self, visitor: "Visitor") -> "ChatSessionQuerySet":
        """The visitor's own, with those that they have deleted and that are not gone for good yet."""
        if visitor.user is not None:
            return self.filter(owner=visitor.user)
        if visitor.guest_key:
            return self.filter(owner=None, guest_key=visitor.guest_key)
        return self.none()


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
    head = models.ForeignKey(
        "Run", verbose_name=_("last run"), null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    # The owner has seen how this run ended, and those before it: a list need not point at a failure any more.
    seen_run = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(_("started"), auto_now_add=True)
    updated_at = models.DateTimeField(_("last change"), auto_now=True)
    deleted_at = models.DateTimeField(_("deleted"), null=True, blank=True, editable=False)

    objects = ChatSessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("chat session")
        verbose_name_plural = _("chat sessions")
        indexes = [
            # With the key, so that a list can be read on from a place. The conditions keep the list of a guest from
            # being looked for among all that belongs to no account.
            models.Index(
                fields=["owner", "-updated_at", "-id"], condition=Q(owner__isnull=False), name="agentchat_of_owner"
            ),
            models.Index(
                fields=["guest_key", "-updated_at", "-id"], condition=Q(owner=None), name="agentchat_of_guest"
            ),
            models.Index(fields=["-created_at", "-id"], name="agentchat_newest"),
        ]

    def __str__(self) -> str:
        return self.title or str(self.id)

    def get_absolute_url(self) -> str:
        return reverse("agentchat:chat", args=[self.id])


class Run(models.Model):
    """One life of the agent function in a chat session, from its first line to its return.

    Runs are a tree: a run goes on where its `parent` ended, or, tried again or edited, from a point within it. What
    leads to a run is its branch; the chat session's `head` is the last run of the branch that people look at.
    """

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
    # Of the parent's branch, the events before this one came before this run; null: all of them.
    from_seq = models.PositiveBigIntegerField(null=True, editable=False)
    # The parent's steps up to this one are this run's too: its journal begins with them.
    from_step = models.PositiveIntegerField(default=0, editable=False)
    agent = models.CharField(_("agent"), max_length=100)
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.QUEUED)
    queued_at = models.DateTimeField(_("queued"), auto_now_add=True)
    owner_process = models.CharField(_("process"), max_length=100, blank=True)
    epoch = models.PositiveIntegerField(_("epoch"), default=0)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    waits_until = models.DateTimeField(_("waits until"), null=True, blank=True)
    # Processes that have died with it, one after the other, without a step recorded in between.
    crashes = models.SmallIntegerField(_("crashes"), default=0, db_default=0, editable=False)
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
            # What a keeper asks for every second: what is queued, oldest first, whose lease has ended, and what waits
            # no longer. Runs that wait for a person may be very many, and have neither a lease nor, mostly, an end.
            # (SQLite uses an index with a condition for "is not null" alone, and never for "is one of these".)
            models.Index(fields=["status", "queued_at", "id"], name="agentchat_in_line"),
            models.Index(fields=["lease_until"], condition=Q(lease_until__isnull=False), name="agentchat_leased"),
            models.Index(fields=["waits_until"], condition=Q(waits_until__isnull=False), name="agentchat_expiring"),
            models.Index(fields=["-queued_at", "-id"], name="agentchat_newest_runs"),
            models.Index(fields=["error_id"], name="agentchat_run_error"),
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


class Share(models.Model):
    """A link by which anybody who has it may read what was said in a chat up to `last_seq`, until it is withdrawn."""

    session = models.ForeignKey(
        ChatSession, verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="shares"
    )
    token = models.CharField(_("token"), max_length=64, unique=True, editable=False)
    head = models.ForeignKey(Run, null=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    last_seq = models.PositiveBigIntegerField(_("last event"))
    created_at = models.DateTimeField(_("shared"), auto_now_add=True)

    class Meta:
        verbose_name = _("shared link")
        verbose_name_plural = _("shared links")

    def __str__(self) -> str:
        return str(self.session)


class Feedback(models.Model):
    """What a person thinks of a message of an agent."""

    class Value(models.TextChoices):
        UP = "up", _("good")
        DOWN = "down", _("bad")

    session = models.ForeignKey(
        ChatSession, verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="feedback"
    )
    message_id = models.CharField(_("message"), max_length=100)
    value = models.CharField(_("value"), max_length=4, choices=Value.choices)
    comment = models.TextField(_("comment"), blank=True)
    created_at = models.DateTimeField(_("given"), auto_now_add=True)
    updated_at = models.DateTimeField(_("last change"), auto_now=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        constraints = [models.UniqueConstraint(fields=["session", "message_id"], name="agentchat_one_feedback")]
        indexes = [models.Index(fields=["-updated_at", "-id"], name="agentchat_newest_feedback")]

    def __str__(self) -> str:
        return f"{self.value}: {self.message_id}"
