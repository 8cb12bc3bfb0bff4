"""The tables: what is stored of every chat session.

A chat session has runs, a run has steps (its journal), and both produce events, which are numbered and shown on pages.
Messages that no run has taken yet are in the inbox. While a run is live, only `agentchat.runs` and `agentchat.actions`
write to these tables, under the chat session's lock: one lock order, no gaps in `seq`, nothing twice. Pages and admin
read.
"""

import uuid
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from agentchat.core.stored_events import log_unreadable, readable
from agentchat.events import Unreadable
from agentchat.infra.json_field import StoredJSONField
from agentchat.infra.moments import MomentField

if TYPE_CHECKING:
    from agentchat.visitors import Visitor


class ChatSessionQuerySet(models.QuerySet["ChatSession"]):
    def of(self, visitor: "Visitor") -> "ChatSessionQuerySet":
        """The visitor's own, without deleted ones: every page and frame finds its chat session through this."""
        return self.all_of(visitor).filter(deleted_at=None)

    def all_of(self, visitor: "Visitor") -> "ChatSessionQuerySet":
        """The visitor's own, with those that are deleted but not purged yet."""
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
    title_by = models.CharField(max_length=8, default="", db_default="", blank=True, editable=False)  # a `TitleBy`
    next_seq = models.PositiveBigIntegerField(default=1, editable=False)
    head = models.ForeignKey(
        "Run", verbose_name=_("last run"), null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    # The owner has seen how this run and those before it ended: the list does not show their failures any more.
    seen_run = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    # The open one: staff answer, or are about to. Every transaction on the chat session sees it without a query.
    handover = models.ForeignKey("Handover", null=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    created_at = MomentField(_("started"), auto_now_add=True)
    updated_at = MomentField(_("last updated"), auto_now=True)
    deleted_at = MomentField(_("deleted"), null=True, blank=True, editable=False)

    objects = ChatSessionQuerySet.as_manager()

    class Meta:
        verbose_name = _("chat session")
        verbose_name_plural = _("chat sessions")
        permissions = [
            ("take_over_chatsession", "Can take over chats"),
            ("answer_chatsession", "Can answer in chats that are handed over"),
            ("stop_chatsession", "Can stop chats"),
            ("purge_chatsession", "Can delete chats permanently"),
            ("export_chatsession", "Can export chats"),
        ]
        indexes = [
            # With the key, for cursors of lists. Because of the conditions, a guest's list is not searched among all
            # chats without an account.
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
    """One execution of the agent function in a chat session, from its first line to its return.

    Runs form a tree: a run continues where its `parent` ended, or, after a retry or an edit, from a fork within it. The
    path to a run is its branch; the chat session's `head` is the last run of the branch shown.
    """

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        WAITING = "waiting", _("waiting for the user")
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
    # The fork: of the parent's branch, this run follows the events before this one; null: all of them.
    from_seq = models.PositiveBigIntegerField(null=True, editable=False)
    # The parent's steps up to this one are inherited: this run's journal starts with them.
    from_step = models.PositiveIntegerField(default=0, editable=False)
    agent = models.CharField(_("agent"), max_length=100)
    status = models.CharField(_("status"), max_length=12, choices=Status.choices, default=Status.QUEUED)
    queued_at = MomentField(_("queued"), auto_now_add=True)
    owner_process = models.CharField(_("process"), max_length=100, blank=True)
    epoch = models.PositiveIntegerField(_("epoch"), default=0)
    lease_until = MomentField(_("lease expires"), null=True, blank=True)
    waits_until = MomentField(_("waiting until"), null=True, blank=True)
    # Of one that waits for something else than the user: `runs/waits.py`.
    waits_for: "models.JSONField[Any, Any]" = StoredJSONField(null=True, editable=False)
    waits_on = models.CharField(max_length=200, null=True, editable=False)  # the label of a model, for a row of which
    # Processes that died while running it, one after the other, without a step recorded in between.
    crashes = models.SmallIntegerField(_("crashes"), default=0, db_default=0, editable=False)
    running_s = models.FloatField(_("running time (seconds)"), default=0)
    stop_requested = models.BooleanField(_("stop requested"), default=False)
    error_code = models.CharField(_("error"), max_length=50, blank=True)
    error_id = models.CharField(_("error ID"), max_length=32, blank=True)
    prompt_tokens = models.PositiveBigIntegerField(_("prompt tokens"), default=0)
    completion_tokens = models.PositiveBigIntegerField(_("completion tokens"), default=0)
    cost = models.DecimalField(_("cost"), max_digits=14, decimal_places=8, null=True, blank=True)
    started_at = MomentField(_("started"), null=True, blank=True)
    finished_at = MomentField(_("finished"), null=True, blank=True)
    state: "models.JSONField[Any, Any]" = StoredJSONField(null=True, editable=False)  # `iostream.state` at its end
    traceparent = models.CharField(max_length=55, default="", db_default="", editable=False)  # of its last trace

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
            # What supervisors query every second: queued runs, oldest first, expired leases, and expired questions.
            # Very many runs may wait for users, without a lease and mostly without an expiry. (SQLite uses a partial
            # index for "is not null" only, never for "is one of these".)
            models.Index(fields=["status", "queued_at", "id"], name="agentchat_in_line"),
            models.Index(fields=["lease_until"], condition=Q(lease_until__isnull=False), name="agentchat_leased"),
            models.Index(fields=["waits_until"], condition=Q(waits_until__isnull=False), name="agentchat_expiring"),
            models.Index(fields=["-queued_at", "-id"], name="agentchat_newest_runs"),
            models.Index(fields=["id"], condition=Q(waits_on__isnull=False), name="agentchat_awaited_rows"),
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
    tries = models.PositiveIntegerField(_("attempts"), default=1)
    result: "models.JSONField[Any, Any]" = StoredJSONField(_("result"), null=True, blank=True)
    usage: "models.JSONField[Any, Any]" = StoredJSONField(_("usage"), null=True, blank=True)
    # How it has changed `iostream.state`: a `StateChange`.
    state: "models.JSONField[Any, Any]" = StoredJSONField(null=True, editable=False)
    started_at = MomentField(_("started"))
    done_at = MomentField(_("done"), null=True, blank=True)
    # For statistics. The first: until a model's answer has begun; the second: of calls of models and tools.
    first_token_ms = models.PositiveIntegerField(null=True, editable=False)
    duration_ms = models.PositiveIntegerField(null=True, editable=False)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="agentchat_step_number")]
        # With all that statistics read of a step: its result may be long.
        indexes = [
            models.Index(
                fields=["kind", "started_at", "duration_ms", "first_token_ms", "run"],
                condition=Q(duration_ms__isnull=False),
                name="agentchat_timed_steps",
            )
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.kind} {self.name}"


class InboxItem(models.Model):
    """What a user sent. It waits until a run takes it: `run` and `step` are the input step that did.

    With a run and without a step, it was in the inbox of a run that never asked for it.
    """

    session = models.ForeignKey(
        ChatSession, verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="inbox"
    )
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="inbox")
    client_id = models.UUIDField(_("client ID"))
    request_id = models.CharField(_("request"), max_length=100, blank=True)
    value: "models.JSONField[Any, Any]" = StoredJSONField(_("value"))
    step = models.PositiveIntegerField(_("step"), null=True, blank=True)
    created_at = MomentField(_("sent"), auto_now_add=True)

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


class OutboxItem(models.Model):
    """What is to be delivered: what a project's own code has for a chat session (`agentchat.chats`). Or to be done at
    some time: notices of questions to colleagues, and titles.

    With an `error` it cannot be delivered, and stays.
    """

    class Kind(models.TextChoices):
        MESSAGE = "message", _("message")
        SIGNAL = "signal", _("signal")
        NOTICE = "notice", _("notification")
        TITLE = "title", _("title")
        UPLOAD = "upload", _("message whose files are being checked")

    key = models.UUIDField()
    session = models.ForeignKey(
        ChatSession, verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="outbox"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    name = models.CharField(max_length=150, blank=True)  # of the signal, or under which a message is shown
    value: "models.JSONField[Any, Any]" = StoredJSONField(null=True)
    error = models.CharField(_("error"), max_length=50, blank=True)
    due_at = MomentField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    created_at = MomentField(auto_now_add=True)

    class Meta:
        verbose_name = _("outbox item")
        verbose_name_plural = _("outbox items")
        constraints = [models.UniqueConstraint(fields=["session", "key"], name="agentchat_outbox_key")]
        indexes = [
            models.Index(fields=["created_at"], condition=Q(error="", due_at=None), name="agentchat_undelivered"),
            models.Index(fields=["due_at"], condition=Q(error="", due_at__isnull=False), name="agentchat_due"),
        ]

    def __str__(self) -> str:
        return str(self.key)


class ChatSignal(models.Model):
    """A signal for `iostream.wait_for`. It stays: each branch of the chat takes it by itself."""

    key = models.UUIDField()
    session = models.ForeignKey(
        ChatSession, verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="signals"
    )
    name = models.CharField(max_length=100)
    value: "models.JSONField[Any, Any]" = StoredJSONField(null=True)
    created_at = MomentField(auto_now_add=True)

    class Meta:
        verbose_name = _("signal")
        verbose_name_plural = _("signals")
        constraints = [models.UniqueConstraint(fields=["session", "key"], name="agentchat_signal_key")]
        indexes = [models.Index(fields=["session", "name", "id"], name="agentchat_signal_order")]

    def __str__(self) -> str:
        return self.name


class Event(models.Model):
    """A numbered event of a chat session. `payload` is its JSON on the wire, without type, seq, at and run.

    One that cannot be read is an `Unreadable` in memory, and stays as it is in the database.
    """

    session = models.ForeignKey(
        ChatSession, verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="events"
    )
    seq = models.PositiveBigIntegerField(_("number"))
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.CASCADE, related_name="events")
    step_number = models.PositiveIntegerField(_("step"), null=True, blank=True)
    ordinal = models.PositiveIntegerField(_("ordinal"), default=0)
    type = models.CharField(_("type"), max_length=40)
    payload: "models.JSONField[Any, Any]" = StoredJSONField(_("payload"))
    created_at = MomentField(_("time"), auto_now_add=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["seq"]
        constraints = [
            models.UniqueConstraint(fields=["session", "seq"], name="agentchat_event_seq"),
            models.UniqueConstraint(fields=["run", "step_number", "ordinal"], name="agentchat_event_origin"),
        ]

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> "Event":
        event = super().from_db(*args, **kwargs)
        if {"type", "payload"}.issubset(event.__dict__):
            event.make_readable()
        return event

    def make_readable(self) -> None:
        """To be called when its payload was set to one of the database."""
        type_, payload = readable(self.type, self.payload)
        if type_ == Unreadable.type != self.type:
            log_unreadable(f"event {self.pk} ({self.type!r:.50})", self.type, self.payload)
        self.type, self.payload = type_, payload

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"


class Share(models.Model):
    """A link by which anyone can read a chat up to the event `last_seq`, until it is revoked."""

    session = models.ForeignKey(
        ChatSession, verbose_name=_("chat session"), on_delete=models.CASCADE, related_name="shares"
    )
    token = models.CharField(_("token"), max_length=64, unique=True, editable=False)
    head = models.ForeignKey(Run, null=True, editable=False, on_delete=models.SET_NULL, related_name="+")
    last_seq = models.PositiveBigIntegerField(_("last event"))
    created_at = MomentField(_("shared on"), auto_now_add=True)

    class Meta:
        verbose_name = _("shared link")
        verbose_name_plural = _("shared links")

    def __str__(self) -> str:
        return str(self.session)


class RateLimit(models.Model):
    """How much of something was done lately: the moment, in seconds since 1970, when it does not count any more.

    Written by `actions/rate_limits.py` alone.
    """

    key = models.CharField(primary_key=True, max_length=80)
    empty_at = models.FloatField()

    class Meta:
        verbose_name = _("rate limit")
        verbose_name_plural = _("rate limits")

    def __str__(self) -> str:
        return self.key
