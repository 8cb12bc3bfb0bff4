"""What a soak has found: a table, and whether it is good enough.

Everything is compared with the quiet time of the same run, and with what the machine itself was able to do.
"""

import math
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from benchmarks.soak.measurements import Latencies, percentile

KINDS = ("ping", "own message", "first word", "tool answer", "answer", "page")
QUIET, HOSTILE, AFTERWARDS = "quiet", "hostile", "afterwards"

RATIO = 2.0
"""How many times its quiet time anything may take: the median, and the slowest of twenty."""
FLOOR_SECONDS = 0.15
"""What may be added to it in any case: a ratio of two small numbers says nothing."""
MEMORY_RATIO = 1.05
"""How many times its quiet memory the server may have afterwards."""
FLOOR_MB = 16
"""What it may have more in any case: caches fill, and the allocator keeps some."""
MAX_SLOWNESS = 3.0
"""How much slower the machine may be, with other things, than in the quiet time."""


class Report:
    def __init__(self, latencies: Latencies) -> None:
        self.latencies = latencies
        self.memory: dict[str, list[float]] = defaultdict(list)
        """MB, each second, by phase."""
        self.slowness: dict[str, list[float]] = defaultdict(list)
        """How much longer than its processor time a piece of work took, by phase."""
        self.processors: dict[str, float] = {}
        """What the server kept busy, by phase."""
        self.outcomes: dict[str, Counter[str]] = {}
        """How the server answered each attack."""
        self.log = ""

    def problems(self, phase: str) -> Iterator[str]:
        """What honest guests noticed in this phase that they should not have."""
        for what, number in self.latencies.failures[phase].items():
            yield f"{number}x failed: {what}"
        for kind in KINDS:
            quiet, values = self.latencies.of(QUIET, kind), self.latencies.of(phase, kind)
            if not quiet or not values:
                yield f"{kind}: {len(quiet)} quiet ones, {len(values)} in this phase, so nothing can be said"
                continue
            for percent in (50, 95):
                limit = self.limit_of(percentile(quiet, percent), phase)
                if (seconds := percentile(values, percent)) > limit:
                    yield f"{kind}, {percent} %: {_ms(seconds)} ms, more than {_ms(limit)}"

        if (kept := statistics.median(self.memory[phase])) > (limit := self.memory_limit):
            yield f"memory: {kept:.0f} MB, more than {limit:.0f}"

    @property
    def memory_limit(self) -> float:
        """MB that the server may need while it is attacked, and keep."""
        quiet = statistics.median(self.memory[QUIET])
        return max(MEMORY_RATIO * quiet, quiet + FLOOR_MB)

    def limit_of(self, quiet: float, phase: str) -> float:
        """Seconds that something may take whose quiet time was so many."""
        return max(RATIO * quiet, quiet + FLOOR_SECONDS) * self.slowness_of(phase)

    def slowness_of(self, phase: str) -> float:
        """How much slower the machine was than in the quiet time, at most `MAX_SLOWNESS`; never less than 1."""
        before, now = self.slowness[QUIET], self.slowness[phase]
        return min(MAX_SLOWNESS, max(1.0, statistics.fmean(now) / statistics.fmean(before))) if before and now else 1.0

    # --- what is shown ----------------------------------------------------------------------------------------------

    def show(self) -> int:
        """Print everything. Return the exit code: 0 if it is good enough."""
        for phase in self.memory:
            self._show_phase(phase)
        for name, outcomes in self.outcomes.items():
            print(f"{name:30} {', '.join(f'{number}x {outcome}' for outcome, number in outcomes.most_common(4))}")
        errors = re.findall(r"(?m)^\w[\w.]*(?:Error|Exception|Exceeded)\b.*", self.log)
        for line, number in Counter(errors).most_common(20):
            print(f"in the log, {number}x: {line[:140]}")
        problems = [f"{phase}: {each}" for phase in self.memory if phase != QUIET for each in self.problems(phase)]
        problems += [f"{name}: this attack has never ended" for name, seen in self.outcomes.items() if not seen]
        print("\n" + ("\n".join(problems) or "Honest users have noticed nothing."))
        return 1 if problems else 0

    def _show_phase(self, phase: str) -> None:
        memory = self.memory[phase]
        used = (
            f"{self.processors[phase]:.2f} processors, {statistics.median(memory):.0f} MB (at most {max(memory):.0f})"
        )
        print(f"\n{phase}: {used}, the machine {self.slowness_of(phase):.2f} times as slow")
        print(f"    {'ms':14}" + "".join(f"{f'{percent} %':>16}" for percent in (50, 95, 99)))
        for kind in KINDS:
            quiet, values = self.latencies.of(QUIET, kind), self.latencies.of(phase, kind)
            print(
                f"    {kind:14}" + "".join(_compared(quiet, values, each) for each in (50, 95, 99)) + f"{len(values):8}"
            )


def _compared(quiet: Sequence[float], values: Sequence[float], percent: float) -> str:
    seconds = percentile(values, percent)
    return f"{_ms(seconds):>8} {f'{seconds / percentile(quiet, percent):.1f}x' if quiet is not values else '':>7}"


def _ms(seconds: float) -> str:
    return "-" if math.isnan(seconds) else f"{1000 * seconds:.0f}"
