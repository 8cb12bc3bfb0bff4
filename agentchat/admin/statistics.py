"""Statistics of runs: how many there were, how they ended, what they used and how long they took.

Made by the database when a page asks for them, in a fixed number of queries; nothing is added up in advance, so what is
deleted is not counted. Of durations the database returns a histogram with two significant digits, from which the
percentiles are read: they are within 5 %.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

from django.contrib.auth import get_user_model
from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Sum, Value, When
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from agentchat.actions.staff_access import visible_to
from agentchat.models import Feedback, Run, Step

MAX_OWNERS = 50  # those with the most runs
MAX_DAYS = 366
MAX_DAY_ROWS = 31  # of a longer period there are rows of weeks

By = Literal["day", "agent", "owner"]


@dataclass(frozen=True, kw_only=True)
class Period:
    """Days of the site's time zone, the last one included."""

    first: date
    last: date

    @property
    def starts(self) -> list[date]:
        """The first day of each row: days, or weeks."""
        days = (self.last - self.first).days + 1
        return [self.first + timedelta(days=each) for each in range(0, days, 1 if days <= MAX_DAY_ROWS else 7)]

    @property
    def begin(self) -> datetime:
        return _midnight(self.first)

    @property
    def end(self) -> datetime:
        return _midnight(self.last + timedelta(days=1))


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which runs count. `owner` is a user's key, "" for guests, None for everybody."""

    period: Period
    user: Any  # the member of staff, who sees the chats of some agents
    agent: str = ""
    owner: Any = None

    def of(self, rows: QuerySet[Any], *, moment: str, agent: str, session: str) -> QuerySet[Any]:
        """Those of the rows that count; the names are those of the fields in question."""
        span = {f"{moment}__gte": self.period.begin, f"{moment}__lt": self.period.end}
        rows = visible_to(self.user, rows.filter(**span), agent).order_by()
        if self.agent:
            rows = rows.filter(**{agent: self.agent})
        if self.owner is not None:
            rows = rows.filter(**{f"{session}owner": self.owner or None})
        return rows


@dataclass(kw_only=True)
class StatisticsRow:
    """What is known of one day, agent or owner, or of all. Durations are counted by milliseconds."""

    label: str = ""
    runs: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    open_questions: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    first_token: Counter[int] = field(default_factory=Counter)
    tools: Counter[int] = field(default_factory=Counter)
    up: int = 0
    down: int = 0

    @property
    def failed(self) -> int:
        return self.failures.total()

    @property
    def codes(self) -> list[tuple[str, int]]:
        return self.failures.most_common()

    @property
    def first_token_p50(self) -> float | None:
        return percentile(self.first_token, 0.5)

    @property
    def first_token_p95(self) -> float | None:
        return percentile(self.first_token, 0.95)

    @property
    def tool_p50(self) -> float | None:
        return percentile(self.tools, 0.5)

    @property
    def tool_p95(self) -> float | None:
        return percentile(self.tools, 0.95)

    def add(self, other: "StatisticsRow") -> None:
        self.runs += other.runs
        self.open_questions += other.open_questions
        self.tokens += other.tokens
        self.cost += other.cost
        self.up += other.up
        self.down += other.down
        self.failures.update(other.failures)
        self.first_token.update(other.first_token)
        self.tools.update(other.tools)


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """`total` is of all, of the owners that have no row here, too."""

    rows: Sequence[StatisticsRow]
    total: StatisticsRow
    are_all: bool = True


def statistics_of(selection: Selection, by: By) -> Statistics:
    """The statistics by day (or week), agent, or owner."""
    if by == "owner":
        return _by_owner(selection)
    rows = _by_day(selection) if by == "day" else _by_agent(selection)
    total = StatisticsRow()
    for row in rows:
        total.add(row)
    return Statistics(rows=rows, total=total)


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """The value, in seconds, below which this share of the counted durations is; None if there is none."""
    wanted = share * sum(counts.values())
    seen = 0
    for ms, count in sorted(counts.items()):
        seen += count
        if seen >= wanted:
            return (ms + (_width(ms) - 1) / 2) / 1000
    return None


# --- rows -----------------------------------------------------------------------------------------------------------


def _by_day(selection: Selection) -> list[StatisticsRow]:
    starts = selection.period.starts
    moments = ("queued_at", "started_at", "updated_at")
    found = _rows(selection, *(_day(each, starts) for each in moments))
    return [_labelled(found.get(index), date_format(day, "SHORT_DATE_FORMAT")) for index, day in enumerate(starts)]


def _by_agent(selection: Selection) -> list[StatisticsRow]:
    found = _rows(selection, F("agent"), F("run__agent"), F("session__agent"))
    return [_labelled(row, name) for name, row in sorted(found.items(), key=lambda each: (-each[1].runs, each[0]))]


def _by_owner(selection: Selection) -> Statistics:
    """The owners with the most runs. The durations of the others are only counted for all together."""
    found = _runs(selection, F("session__owner"))
    total = StatisticsRow()
    for row in found.values():
        total.add(row)
    most = sorted(found, key=lambda key: (-found[key].runs, str(key)))
    shown = most[:MAX_OWNERS]
    for key, row in _durations(selection, F("run__session__owner"), owners=shown).items():
        found.setdefault(key, StatisticsRow()).add(row)
    for key, row in _ratings(selection, F("session__owner")).items():
        found.setdefault(key, StatisticsRow()).add(row)
        total.add(row)
    for row in _durations(selection, Value(0)).values():
        total.add(row)
    users = get_user_model()._default_manager.in_bulk([key for key in shown if key is not None])
    names = {key: users[key].get_username() if key in users else gettext("Guests") for key in shown}
    rows = [_labelled(found[key], names[key]) for key in shown]
    return Statistics(rows=rows, total=total, are_all=len(most) <= MAX_OWNERS)


def _labelled(row: StatisticsRow | None, label: str) -> StatisticsRow:
    row = row or StatisticsRow()
    row.label = label
    return row


def _rows(selection: Selection, of_run: Any, of_step: Any, of_feedback: Any) -> dict[Any, StatisticsRow]:
    """A row for each value of an expression, which is another one for each table."""
    rows = _runs(selection, of_run)
    for more in (_durations(selection, of_step), _ratings(selection, of_feedback)):
        for key, row in more.items():
            rows.setdefault(key, StatisticsRow()).add(row)
    return rows


def _runs(selection: Selection, key: Any) -> dict[Any, StatisticsRow]:
    rows: dict[Any, StatisticsRow] = {}
    runs = selection.of(Run.objects.all(), moment="queued_at", agent="agent", session="session__")
    for each in (
        runs.annotate(key=key)
        .values("key", "error_code")
        .annotate(
            n=Count("pk"),
            tokens=Sum(F("prompt_tokens") + F("completion_tokens")),
            dollars=Sum("cost"),
            # An answer is waited for: of the owner, or of a colleague.
            waiting=Count("pk", filter=Q(status=Run.Status.WAITING, waits_for__isnull=True)),
        )
    ):
        row = rows.setdefault(each["key"], StatisticsRow())
        row.runs += each["n"]
        row.tokens += each["tokens"]
        row.cost += each["dollars"] or 0
        row.open_questions += each["waiting"]
        if each["error_code"]:
            row.failures[each["error_code"]] += each["n"]
    return rows


def _durations(selection: Selection, key: Any, owners: Sequence[Any] | None = None) -> dict[Any, StatisticsRow]:
    """Until the first token, and of tools; with `owners`, in their chats alone."""
    rows: dict[Any, StatisticsRow] = {}
    for kind, column, name in (("llm", "first_token_ms", "first_token"), ("tool", "duration_ms", "tools")):
        timed = Step.objects.filter(kind=kind, duration_ms__isnull=False).exclude(**{column: None})
        steps = selection.of(timed, moment="started_at", agent="run__agent", session="run__session__")
        if owners is not None:
            condition = Q(run__session__owner__in=[key for key in owners if key is not None])
            steps = steps.filter(condition | Q(run__session__owner=None) if None in owners else condition)
        counts = steps.annotate(key=key, bucket=_bucket(column)).values("key", "bucket").annotate(n=Count("pk"))
        for value, bucket, n in counts.values_list("key", "bucket", "n"):
            getattr(rows.setdefault(value, StatisticsRow()), name)[bucket] += n
    return rows


def _ratings(selection: Selection, key: Any) -> dict[Any, StatisticsRow]:
    rows: dict[Any, StatisticsRow] = {}
    ratings = selection.of(Feedback.objects.all(), moment="updated_at", agent="session__agent", session="session__")
    counts = ratings.annotate(key=key).values("key", "value").annotate(n=Count("pk"))
    for of, value, n in counts.values_list("key", "value", "n"):
        row = rows.setdefault(of, StatisticsRow())
        row.up += n if value == Feedback.Value.UP else 0
        row.down += n if value == Feedback.Value.DOWN else 0
    return rows


# --- expressions ----------------------------------------------------------------------------------------------------


def _day(moment: str, starts: Sequence[date]) -> Any:
    """Which of the rows a moment belongs to. Comparisons need no function of the database's for time zones."""
    return _search(moment, [_midnight(day) for day in starts], [Value(index) for index in range(len(starts))])


def _bucket(column: str) -> Any:
    """The duration with two significant digits."""
    limits = [0, *(limit for limit, _ in WIDTHS)]
    return _search(column, limits, [F(column) / _width(limit) * _width(limit) for limit in limits])


def _search(column: str, starts: Sequence[Any], values: Sequence[Any]) -> Any:
    """The value of the last start that the column is not below: a tree of comparisons, not one after the other."""
    if len(values) == 1:
        return values[0]
    middle = len(values) // 2
    below, above = ((starts[part], values[part]) for part in (slice(middle), slice(middle, None)))
    return Case(
        When(**{f"{column}__lt": starts[middle]}, then=_search(column, *below)),
        default=_search(column, *above),
        output_field=IntegerField(),
    )


WIDTHS = ((100, 1), (1_000, 10), (10_000, 100), (100_000, 1_000))


def _width(ms: int) -> int:
    """How many milliseconds are one bucket there."""
    return next((width for limit, width in WIDTHS if ms < limit), 10_000)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()), timezone.get_current_timezone())
