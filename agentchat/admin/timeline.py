"""The timeline of a run: its calls of models and tools and its waits, as the rows of a drawing.

Waiting takes days where work takes seconds, so a time in which nothing is at work is drawn no longer than a part of the
work. All that a template needs is computed here, numbers as text: an attribute of SVG has no decimal comma.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from agentchat.infra import moments
from agentchat.models import Event, Run, Step

WIDTH, LEFT, RIGHT, ROW = 960, 250, 200, 24  # pixels: of the drawing, of what stands beside the bars, of a row
MIN_BAR = 2.0
MAX_IDLE = 0.15  # of the time at work: as long is a wait drawn at most
NAME_CHARS = 28

WORK = ("llm", "tool", "step")
WAITS = ("INPUT_REQUESTED", "RUN_WAITING", "HANDOVER_REQUESTED")  # the events that begin one

Usage = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Span:
    """Something that took a time. `kind` is that of a step, "waiting" or "queued"; `ended` is None while it goes on."""

    kind: str
    name: str
    began: datetime
    ended: datetime
    first_token_ms: int | None = None
    is_open: bool = False
    has_failed: bool = False
    usage: Usage | None = None

    @property
    def seconds(self) -> float:
        return max((self.ended - self.began).total_seconds(), 0.0)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A span as it is drawn."""

    kind: str
    name: str
    label: str
    title: str
    x: str
    y: str
    text_y: str
    width: str
    first_token_x: str
    has_failed: bool


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The drawing. `gaps` are where and how wide the times are that are drawn shorter than they were."""

    bars: Sequence[Bar]
    gaps: Sequence[tuple[str, str]]
    height: int
    description: str
    width: int = WIDTH
    left: int = LEFT
    label_x: int = WIDTH - RIGHT + 8


def timeline_of(run: Run, steps: Sequence[Step]) -> Timeline | None:
    """The timeline of these steps of a run, its queue before the first; None if there is nothing to draw."""
    spans = sorted(_spans(run, steps), key=lambda span: span.began)
    if not spans:
        return None
    axis = _Axis(spans)
    bars = [_bar(span, axis, row) for row, span in enumerate(spans)]
    return Timeline(bars=bars, gaps=axis.gaps, height=ROW * len(bars) + 8, description=_description(spans))


def tokens_of(usage: Any) -> int | None:
    """The tokens of a step, prompt and answer; None if it has none."""
    if not isinstance(usage, Mapping):
        return None
    counts = [usage.get(name) for name in ("promptTokens", "completionTokens")]
    return sum(each for each in counts if isinstance(each, int))


def cost_of(usage: Any) -> float | None:
    """The cost of a step in US dollars, if it is known."""
    cost = usage.get("cost") if isinstance(usage, Mapping) else None
    return float(cost) if isinstance(cost, int | float) else None


def seconds_text(seconds: float) -> str:
    """A duration, short: "0.42 s", "3 min 5 s", "2 h 10 min"."""
    if seconds < 60:
        return gettext("%(seconds)s s") % {"seconds": number_format(seconds, 2 if seconds < 10 else 1)}
    if seconds < 3600:
        return gettext("%(minutes)s min %(seconds)s s") % {"minutes": int(seconds // 60), "seconds": int(seconds % 60)}
    hours, rest = divmod(int(seconds), 3600)
    return gettext("%(hours)s h %(minutes)s min") % {"hours": hours, "minutes": rest // 60}


# --- what took time -------------------------------------------------------------------------------------------------


def _spans(run: Run, steps: Sequence[Step]) -> Iterable[Span]:
    now = run.finished_at or moments.now()
    first = steps[0].number if steps else 1
    last = steps[-1].number if steps else 0
    if first <= 1 and run.started_at is not None:
        yield Span(kind="queued", name=gettext("queued"), began=run.queued_at, ended=run.started_at)
    began = _waits(run, first)
    for step in steps:
        if step.kind in WORK:
            yield Span(
                kind=step.kind,
                name=step.name,
                began=step.started_at,
                ended=step.done_at or now,
                first_token_ms=step.first_token_ms,
                is_open=step.done_at is None,
                has_failed=step.status == Step.Status.FAILED,
                usage=step.usage if isinstance(step.usage, Mapping) else None,
            )
        elif step.number in began:
            yield Span(kind="waiting", name=step.name, began=began[step.number], ended=step.done_at or now)
    for number, moment in began.items():
        if number > last and run.status == Run.Status.WAITING:
            yield Span(kind="waiting", name=gettext("waiting"), began=moment, ended=now, is_open=True)


def _waits(run: Run, first: int) -> dict[int, datetime]:
    """When the run has begun to wait in each of its steps."""
    events = Event.objects.filter(run=run, step_number__gte=first, type__in=WAITS).order_by("-seq")
    return {number or 0: moment for number, moment in events.values_list("step_number", "created_at")}


# --- where it is drawn ----------------------------------------------------------------------------------------------


class _Axis:
    """Where each moment is: idle times take less of the width than they have taken."""

    def __init__(self, spans: Sequence[Span]) -> None:
        moments_ = sorted({span.began for span in spans} | {span.ended for span in spans})
        work = [(span.began, span.ended) for span in spans if span.kind in WORK]
        segments = [
            ((end - begin).total_seconds(), any(since <= begin and end <= until for since, until in work))
            for begin, end in pairwise(moments_)
        ]
        at_work = sum(length for length, is_work in segments if is_work)
        longest = at_work * MAX_IDLE if at_work else float("inf")
        drawn = [length if is_work else min(length, longest) for length, is_work in segments]
        scale = (WIDTH - LEFT - RIGHT) / (sum(drawn) or 1)
        x = float(LEFT)
        self._x = {moments_[0]: x}
        self.gaps: list[tuple[str, str]] = []
        for moment, width, (length, _) in zip(moments_[1:], drawn, segments, strict=True):
            if width < length:
                self.gaps.append((_number(x), _number(max(width * scale, MIN_BAR))))
            self._x[moment] = x = x + width * scale

    def x(self, moment: datetime) -> float:
        return self._x[moment]


def _bar(span: Span, axis: _Axis, row: int) -> Bar:
    x, end = axis.x(span.began), axis.x(max(span.ended, span.began))
    width = max(end - x, MIN_BAR)
    share = (span.first_token_ms or 0) / 1000 / span.seconds if span.seconds else 0
    has_token = span.first_token_ms is not None and share <= 1
    label = _label(span)
    return Bar(
        kind=span.kind,
        name=span.name if len(span.name) <= NAME_CHARS else f"{span.name[: NAME_CHARS - 1]}…",
        label=label,
        title=f"{span.name}: {label}",
        x=_number(x),
        y=_number(row * ROW + 4),
        text_y=_number(row * ROW + 4 + ROW * 0.55),
        width=_number(width),
        first_token_x=_number(x + width * share) if has_token else "",
        has_failed=span.has_failed,
    )


def _label(span: Span) -> str:
    parts = [seconds_text(span.seconds) + (" …" if span.is_open else "")]
    if (tokens := tokens_of(span.usage)) is not None:
        parts.append(ngettext("%(count)s token", "%(count)s tokens", tokens) % {"count": number_format(tokens)})
    if cost := cost_of(span.usage):
        parts.append(f"${cost:.4f}")
    return " · ".join(parts)


def _description(spans: Sequence[Span]) -> str:
    """The drawing in a sentence."""
    return gettext(
        "Calls of models: %(models)s, %(model_time)s. Calls of tools: %(tools)s, %(tool_time)s. "
        "Waits: %(waits)s, %(wait_time)s. The table below has each of them."
    ) % {
        **{f"{name}s": sum(span.kind == kind for span in spans) for name, kind in _COUNTED},
        **{f"{name}_time": seconds_text(sum(s.seconds for s in spans if s.kind == kind)) for name, kind in _COUNTED},
    }


_COUNTED = (("model", "llm"), ("tool", "tool"), ("wait", "waiting"))


def _number(value: float) -> str:
    return f"{value:.1f}"
