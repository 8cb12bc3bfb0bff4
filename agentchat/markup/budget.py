"""What it may cost to render a text: work, HTML and nesting, in proportion to its length. Hence any text is cheap.

Markdown's rules look at some combinations of marks again and again, and a few marks may stand for much HTML. So what
the rules do is counted, in units of about a microsecond on the reference machine, wherever something is repeated: each
try of a rule, each token, each URL, each piece of HTML. A count depends on the text alone, so a text is always shown
the same. CPU time (`cpu_clock.py`) is limited too, beyond what the counted work takes, against whatever no one has
thought of.

A text that exceeds its budget is shown as plain text.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from agentchat.markup.cpu_clock import cpu_seconds

MIN_WORK = 40_000
WORK_PER_CHARACTER = 8
TOKEN_WORK = 2
MIN_HTML = 60_000  # characters
HTML_PER_CHARACTER = 20
MIN_SECONDS = 0.1  # of CPU time
SECONDS_PER_CHARACTER = 10e-6
MAX_DEPTH = 100  # elements within one another

_PAUSE_AFTER = 10_000  # units of work, after which the clock is looked at, and other threads get their turn …
_CHECK_EVERY = 2_000  # … and then again and again
_PAUSE_SECONDS = 50e-6


class OverBudget(Exception):
    """To render the text would be too much work, or too much HTML."""


class Budget:
    """That of one text, or of one that grows. Used by one thread at a time."""

    def __init__(self, characters: int = 0) -> None:
        self._work_left, self._html_left, self._seconds_left = MIN_WORK, MIN_HTML, MIN_SECONDS
        self.work_done = 0  # in units
        self._work_limit = self._next_check = 0
        self._deadline = 0.0
        self._tokens = 0
        self.allow(characters)

    def allow(self, characters: int, *, at_once: int | None = None) -> None:
        """Add what these characters may cost; `at_once`: so that no more is left than so many characters may cost."""
        self._work_left += WORK_PER_CHARACTER * characters
        self._html_left += HTML_PER_CHARACTER * characters
        self._seconds_left += SECONDS_PER_CHARACTER * characters
        if at_once is not None:
            self._work_left = min(self._work_left, MIN_WORK + WORK_PER_CHARACTER * at_once)
            self._seconds_left = min(self._seconds_left, MIN_SECONDS + SECONDS_PER_CHARACTER * at_once)

    def spend(self, work: int, *, tokens: int = 0) -> None:
        """Count this much work, and those of so many tokens that are new. Raise OverBudget if no work is left."""
        if tokens > self._tokens:
            work += TOKEN_WORK * (tokens - self._tokens)
            self._tokens = tokens
        self.work_done += work
        if self.work_done > self._next_check:
            self._check()

    def write(self, characters: int) -> None:
        """Count this much HTML. Raise OverBudget if that is too much."""
        self._html_left -= characters
        if self._html_left < 0:
            raise OverBudget

    @contextmanager
    def used(self) -> Iterator[None]:
        """What is parsed and rendered in this block has this budget."""
        start, done = cpu_seconds(), self.work_done
        self._deadline = start + self._seconds_left
        self._work_limit = done + self._work_left
        self._next_check = min(done + _PAUSE_AFTER, self._work_limit)
        self._tokens = 0
        token = _current.set(self)
        try:
            yield
        except RecursionError:
            raise OverBudget from None
        finally:
            _current.reset(token)
            self._work_left -= self.work_done - done
            self._seconds_left -= cpu_seconds() - start

    def _check(self) -> None:
        if self.work_done > self._work_limit or cpu_seconds() > self._deadline:
            raise OverBudget
        time.sleep(_PAUSE_SECONDS)  # the server's loop need not wait until Python's lock is taken from us
        self._next_check = min(self.work_done + _CHECK_EVERY, self._work_limit)


_current: ContextVar[Budget] = ContextVar("budget")

current = _current.get
"""The budget of what is being rendered. LookupError if there is none: nothing is rendered without one."""
