"""Budgets as staff edit them in admin, what was used of them, and what is paused."""

from datetime import date
from decimal import Decimal

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from agentchat.core import registry
from agentchat.core.budget_rules import MAX_LIMIT, NAMED, BudgetRule
from agentchat.infra.moments import MomentField


class BudgetFields(models.Model):
    """What makes a budget (`agentchat.core.budget_rules`)."""

    class Scope(models.TextChoices):
        OWNER = "owner", _("each person")
        MEMBER = "member", _("each member of a group")
        GROUP = "group", _("a group together")
        GUESTS = "guests", _("all guests together")
        AGENT = "agent", _("an agent")
        SITE = "site", _("the whole site")

    class What(models.TextChoices):
        TOKENS = "tokens", _("tokens")
        COST = "cost", _("cost in US dollars")
        MESSAGES = "messages", _("messages")
        RUNS = "runs", _("runs")

    class Period(models.TextChoices):
        DAY = "day", _("day")
        MONTH = "month", _("month")

    of = models.CharField(_("for"), max_length=10, choices=Scope.choices)
    name = models.CharField(
        _("name"),
        max_length=150,
        blank=True,
        help_text=_("Of the group or the agent. Without a name, each group or agent has a budget of its own."),
    )
    what = models.CharField(_("what"), max_length=10, choices=What.choices)
    limit = models.DecimalField(
        _("limit"),
        max_digits=20,
        decimal_places=4,
        validators=[MinValueValidator(0), MaxValueValidator(MAX_LIMIT)],
    )
    per = models.CharField(_("per"), max_length=5, choices=Period.choices)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        who = f"{self.get_of_display()} {self.name}".strip()
        return f"{who}: {self.amount_text(self.limit)} / {self.get_per_display()}"

    def amount_text(self, amount: Decimal) -> str:
        """So much of what the budget is about, in the active language."""
        if self.what == self.What.COST:
            return f"${number_format(amount, decimal_pos=2, force_grouping=True)}"
        return f"{number_format(int(amount), force_grouping=True)} {self.get_what_display()}"

    @property
    def rule(self) -> BudgetRule:
        return BudgetRule(
            of=self.of,  # type: ignore[arg-type]  # one of the choices
            what=self.what,  # type: ignore[arg-type]
            limit=float(self.limit),
            per=self.per,  # type: ignore[arg-type]
            name=self.name,
        )


class UsageBudget(BudgetFields):
    """A budget that staff have set in admin; those of the setting BUDGETS hold beside them."""

    is_active = models.BooleanField(_("active"), default=True)
    updated_at = MomentField(_("last updated"), auto_now=True)

    class Meta:
        verbose_name = _("budget")
        verbose_name_plural = _("budgets")
        permissions = (("raise_limits", "Can let runs exceed their limits"),)

    def clean(self) -> None:
        if self.name and self.of not in NAMED:
            raise ValidationError({"name": gettext("Only groups and agents have a name here. Leave this empty.")})
        if self.of == self.Scope.MEMBER and not self.name:
            raise ValidationError({"name": gettext("Enter the name of the group.")})
        if self.name and self.of == self.Scope.AGENT and registry.find(self.name) is None:
            raise ValidationError({"name": gettext("There is no agent with this name.")})
        is_of_group = self.of in (self.Scope.MEMBER, self.Scope.GROUP)
        groups = apps.get_model("auth", "Group")._default_manager
        if self.name and is_of_group and not groups.filter(name=self.name).exists():
            raise ValidationError({"name": gettext("There is no group with this name.")})


class BudgetWarning(BudgetFields):
    """Of a budget, 80 % is used in the period that began at `since`. Written once, and staff are told.

    `key` is whose share it is (`UsageRecord.key`). With a `due_at`, nobody has been sent a notification yet.
    """

    key = models.CharField(max_length=150, blank=True, editable=False)
    since = models.DateField(_("since"))
    used = models.DecimalField(_("used"), max_digits=20, decimal_places=4)
    reached_at = MomentField(_("reached"), auto_now_add=True)
    due_at = MomentField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("budget warning")
        verbose_name_plural = _("budget warnings")
        constraints = (
            models.UniqueConstraint(
                fields=["of", "name", "what", "limit", "per", "key", "since"], name="agentchat_warned_once"
            ),
        )
        indexes = (
            models.Index(fields=["-reached_at", "-id"], name="agentchat_newest_warnings"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="agentchat_warnings_due"),
        )


class UsageRecord(models.Model):
    """What was used on a day, of one who has a budget: a part of it, or what was added up of many parts.

    `day` is one in TIME_ZONE. Each chat inserts parts of its own, in the transaction of what it uses, and changes none:
    `agentchat.budgets.roll_up` replaces parts by their sum. No chat is named, so deleting one changes nothing; an owner
    is (`key`) as long as a month is counted, or until the account is deleted.
    """

    scope = models.CharField(max_length=10)
    key = models.CharField(max_length=150, blank=True)
    day: "models.DateField[date, date]" = models.DateField()
    tokens = models.BigIntegerField(default=0)
    cost: "models.DecimalField[Decimal, Decimal]" = models.DecimalField(max_digits=22, decimal_places=8, default=0)
    messages = models.BigIntegerField(default=0)
    runs = models.BigIntegerField(default=0)
    is_sum = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("usage")
        verbose_name_plural = _("usage")
        indexes = (
            models.Index(fields=["scope", "key", "day"], name="agentchat_used_by"),
            models.Index(fields=["id"], condition=Q(is_sum=False), name="agentchat_not_added_up"),
        )

    def __str__(self) -> str:
        return f"{self.scope} {self.key} {self.day}"


class Pause(models.Model):
    """An agent function, or the whole site, takes no messages for now. What runs already is finished."""

    agent = models.CharField(
        _("agent"), max_length=100, blank=True, unique=True, help_text=_("Empty: the whole site is paused.")
    )
    sentence = models.CharField(
        _("what people read"), max_length=300, blank=True, help_text=_("Empty: a sentence in their language.")
    )
    created_at = MomentField(_("paused at"), auto_now_add=True)

    class Meta:
        verbose_name = _("pause")
        verbose_name_plural = _("pauses")

    def __str__(self) -> str:
        return self.agent or gettext("the whole site")
