"""What a run has to save, and need not save yet: it is saved with what the run saves next, or LATE_SECONDS later.

Two things can wait. What an agent prints: a thousand lines are one transaction, and a page shows them when they are
saved, so nothing that anybody has seen can be lost. And that an answer was taken: until then it is in the inbox, where
another execution would find the same one. Both come before whatever is saved next, in the same transaction; and what
was printed comes before a step is made, which may take effect outside.

The time is limited for the user, who is to see what a slow program prints, and for the count of crashes: whatever runs
for longer than a moment after an answer has recorded it. One that dies sooner records it in its next execution, which
is no progress then (`inbox.take`).
"""

import asyncio
import threading
import weakref
from collections.abc import Callable, Sequence
from contextvars import Context

from agentchat.core.log import get_logger
from agentchat.errors import Cancelled, DatabaseUnavailable, RunInterrupt
from agentchat.events import ChatEvent
from agentchat.infra.db_threads import in_late_write_thread
from agentchat.realtime.frames import Frame
from agentchat.runs.origins import Origin
from agentchat.runs.transactions import JournalTransaction

logger = get_logger("agentchat.runs")

LATE_SECONDS = 0.05
MAX_EVENTS = 500  # that wait at the same time

Work = Callable[[JournalTransaction], list[Frame]]
Events = list[tuple[ChatEvent, Origin]]


class LateWrites:
    """Those of one execution, in order. For any thread of the run.

    `append_new` saves events in a transaction, `flush` begins one.
    """

    def __init__(self, append_new: Callable[[JournalTransaction, Events], list[Frame]], flush: Callable[[], None]):
        self._append_new = append_new
        self._flush = flush
        self._lock = threading.Lock()
        self._waiting: list[Work | Events] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._publish: Callable[[list[Frame]], None] = lambda frames: None
        self._cancel: Callable[[type[RunInterrupt]], None] = lambda reason: None
        self._is_timed = False
        self._task: asyncio.Task[None] | None = None

    def begin(
        self,
        loop: asyncio.AbstractEventLoop,
        publish: Callable[[list[Frame]], None],
        cancel: Callable[[type[RunInterrupt]], None],
    ) -> None:
        """From now on there is a time limit. `publish(frames)` is called with what was saved; it must not wait.

        `cancel(reason)`, on the loop: nothing can be saved any more, and the agent's thread may not notice.
        """
        self._loop, self._publish, self._cancel = loop, publish, cancel

    @property
    def is_waiting(self) -> bool:
        return bool(self._waiting)

    @property
    def has_events(self) -> bool:
        return any(isinstance(each, list) for each in self._waiting)

    def add(self, work: Work) -> None:
        """Do this in the next transaction."""
        with self._lock:
            self._waiting.append(work)
        self._set_timer()

    def add_events(self, events: Events) -> None:
        with self._lock:
            last = self._waiting[-1] if self._waiting else None
            if isinstance(last, list):
                last += events
            else:
                last = [*events]
                self._waiting.append(last)
        if len(last) >= MAX_EVENTS:
            self._flush()
        self._set_timer()

    # --- for who writes ---------------------------------------------------------------------------------------------

    def take(self) -> "list[Work | Events]":
        """All that waits. Whoever takes it saves it, puts it back, or lets it go."""
        with self._lock:
            taken, self._waiting = self._waiting, []
            return taken

    def put_back(self, taken: "list[Work | Events]") -> None:
        with self._lock:
            self._waiting = taken + self._waiting

    def write(self, tx: JournalTransaction, taken: "Sequence[Work | Events]") -> list[Frame]:
        saved: list[Frame] = []
        for each in taken:
            saved += self._append_new(tx, each) if isinstance(each, list) else each(tx)
        return saved

    def publish(self, frames: list[Frame]) -> None:
        if frames:
            self._publish(frames)

    # --- the timer --------------------------------------------------------------------------------------------------

    def _set_timer(self) -> None:
        if self._waiting and not self._is_timed and self._loop is not None and not self._loop.is_closed():
            self._is_timed = True
            of_run = weakref.ref(self)  # a timer is not to hold a run that is over
            self._loop.call_soon_threadsafe(self._loop.call_later, LATE_SECONDS, _on_time, of_run, context=Context())

    def on_time(self) -> None:
        self._is_timed = False
        if self._waiting and self._loop is not None:
            self._task = self._loop.create_task(self._flush_in_thread(), context=Context())

    async def _flush_in_thread(self) -> None:
        try:
            await in_late_write_thread(self._flush)()
        except Cancelled:  # another process has taken the request
            self._cancel(Cancelled)
        except (RunInterrupt, DatabaseUnavailable):
            pass  # the agent's thread learns of it when it saves
        except Exception:
            logger.exception("what a run has printed could not be saved; it will be tried again")
            self._set_timer()


def _on_time(of_run: "weakref.ref[LateWrites]") -> None:
    if (late := of_run()) is not None:
        late.on_time()
