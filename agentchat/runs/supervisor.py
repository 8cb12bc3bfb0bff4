"""The supervisor of a process's runs: once a second it looks after them, so that none depends on a message.

It renews leases, reads stop requests, and claims runs that are ready and belong to no process: no run depends on the
message that should have woken it, or on a user who visits. It also looks up in the database what subscribers of this
process are to see and may not have been notified of. When a run has ended here, which is with every turn of every chat,
it looks at once whether another one waits for the room, and leaves the rest to its next heartbeat.

Where workers advance the runs (ENGINE = "celery"), the supervisor of a web process claims none and looks after the
subscribers only.

On the server's event loop, except for `is_alive` and `is_stuck`, which any thread may read.
"""

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol

from django.db import Error as DatabaseError

from agentchat import conf
from agentchat.core.log import get_logger
from agentchat.errors import Cancelled, LeaseLost
from agentchat.infra.database import is_transient
from agentchat.infra.db_threads import database_status, in_chore_thread, in_supervisor_thread
from agentchat.models import ChatSession
from agentchat.realtime.hub import current_hub
from agentchat.realtime.relay.link import RelayLink
from agentchat.runs import leases
from agentchat.runs.active_runs import ActiveRuns
from agentchat.runs.queue_positions import queue_positions

logger = get_logger("agentchat.runs")

HEARTBEAT_SECONDS = 1.0
POLL_SECONDS = 5.0  # how often the database is asked for events without a notification
STUCK_LEASES = 3  # how many leases one iteration may last: longer than it takes to notice that a network is silent


CHORES: list[Callable[[], object]] = []
"""What floors above want done at each heartbeat, one after the other, in a thread. It may wait for locks."""


class Supervised(Protocol):
    """What a supervisor looks after: the runner of its process."""

    @property
    def active(self) -> ActiveRuns: ...

    @property
    def link(self) -> RelayLink | None: ...

    @property
    def takes_runs(self) -> bool: ...

    def wake(self, run_id: int) -> object: ...


class Supervisor:
    """`start()` binds it to the running loop; `stop()` ends it."""

    def __init__(self, runner: Supervised) -> None:
        self._runner = runner
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._reset(0.0)

    def _reset(self, now: float) -> None:
        self._heartbeat_at = self._last_iteration_at = now  # the last good iteration, and the last one
        self._polled_at = self._claims_orphans_at = 0.0
        self._was_late = False
        self._wake_event = asyncio.Event()
        self._chores: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._reset(self._loop.time())
        database_status.is_down = False
        self._task = self._loop.create_task(self._supervise(), name="agentchat supervisor", context=Context())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._chores is not None:
            self._chores.cancel()

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    @property
    def is_alive(self) -> bool:
        """Whether its last good iteration was lately: within three heartbeats, or a lease."""
        if self._loop is None or not self.is_running:
            return False
        return self._loop.time() - self._heartbeat_at < max(3 * HEARTBEAT_SECONDS, conf.app.lease_s)

    @property
    def is_stuck(self) -> bool:
        """Whether its iteration has lasted for so long that only a new process will help.

        An iteration that finds the database down counts as one.
        """
        if self._loop is None:
            return False
        return self._loop.time() - self._last_iteration_at > STUCK_LEASES * conf.app.lease_s

    def wake(self) -> None:
        """Look now for runs that are queued: there may be room."""
        self._wake_event.set()

    def poll_now(self) -> None:
        """Look up the events of all watched chat sessions now."""
        self._polled_at = 0.0
        self.wake()

    # --- the loop --------------------------------------------------------------------------------------------------

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        self._polled_at = renewed_at = beats_at = 0.0
        while True:
            now = loop.time()
            # A short lease must not expire between two heartbeats.
            interval = min(HEARTBEAT_SECONDS, conf.app.lease_s / 3)
            try:
                if now - renewed_at >= conf.app.lease_s / 3:
                    await self._renew_leases()
                    renewed_at = now
                if now >= beats_at:
                    await self._cancel_stopped_runs()
                    await self._claim_ready_runs()
                    await self._update_queue_positions()
                    self._begin_chores()
                    beats_at = loop.time() + interval
                elif await self._is_anything_queued():
                    await self._claim_ready_runs()
                is_disconnected = self._runner.link is not None and not self._runner.link.is_connected
                if now - self._polled_at >= (HEARTBEAT_SECONDS if is_disconnected else POLL_SECONDS):
                    self._polled_at = now
                    await self._poll_events()
                self._heartbeat_at = self._last_iteration_at = loop.time()
                database_status.is_down = False
            except Exception as error:
                # The next iteration renews first: other processes look at our leases.
                renewed_at, beats_at = 0.0, loop.time() + interval
                if isinstance(error, DatabaseError) and is_transient(error):
                    self._last_iteration_at, database_status.is_down = loop.time(), True
                    logger.warning("the database does not answer; the supervisor will try again: %s", error)
                else:
                    logger.exception("the supervisor failed; it will try again")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake_event.wait(), max(0.0, beats_at - loop.time()))
            self._wake_event.clear()

    def _begin_chores(self) -> None:
        """Unless those of an earlier iteration are not done: a chat that is locked must not hold up the leases."""
        if self._chores is None or self._chores.done():
            self._chores = asyncio.get_running_loop().create_task(_do_chores(), name="agentchat chores")

    async def _renew_leases(self) -> None:
        active = self._runner.active
        lost = await in_supervisor_thread(leases.renew)(claims := list(active.claims.values()))
        for claim in claims:
            if claim.run_id in lost and active.holds(claim):
                active.cancel(claim.run_id, LeaseLost)

    async def _cancel_stopped_runs(self) -> None:
        active = self._runner.active
        if active.claims:
            for run_id in await in_supervisor_thread(leases.stop_requests)(list(active.claims.values())):
                active.cancel(run_id, Cancelled)

    async def _is_anything_queued(self) -> bool:
        """Whether it is worthwhile to look for runs before the next heartbeat.

        Those whose time has come are found then. All are claimed in turn, though, as soon as one has to wait for room.
        """
        return self._runner.takes_runs and await in_supervisor_thread(leases.is_anything_queued)()

    async def _claim_ready_runs(self) -> None:
        active = self._runner.active
        free = conf.app.max_runs - len(active.tasks)
        if free > 0 and self._runner.takes_runs:
            active.waits_for_room = False
            ready = await in_supervisor_thread(leases.ready_runs)(free)
            active.waits_for_room |= len(ready) >= free
            if not self._may_claim_orphans():
                ready = await in_supervisor_thread(leases.ready_unowned_runs)(free)
            being_claimed = set(active.tasks.values())
            for run_id in ready:
                if run_id not in being_claimed:  # its claim waits for a lock: one is enough
                    self._runner.wake(run_id)

    def _may_claim_orphans(self) -> bool:
        """Whether to claim orphaned runs: not at once after a time in which this process could not look.

        Other processes, which could not renew their leases meanwhile either, come first. A process that is late in
        every iteration claims them still.
        """
        now = asyncio.get_running_loop().time()
        is_late = now - self._heartbeat_at > max(2 * HEARTBEAT_SECONDS, conf.app.lease_s / 2)
        if is_late and not self._was_late:
            self._claims_orphans_at = now + max(2 * HEARTBEAT_SECONDS, conf.app.lease_s / 3)
        self._was_late = is_late
        return now >= self._claims_orphans_at

    async def _update_queue_positions(self) -> None:
        hub = current_hub()
        if watched := hub.watched():
            hub.update_queue_positions(await in_supervisor_thread(queue_positions)(watched))

    async def _poll_events(self) -> None:
        hub = current_hub()
        if watched := hub.watched():
            for session_id, seq in await in_supervisor_thread(last_seqs)(watched):
                hub.notify(session_id, seq)
        long_ago = asyncio.get_running_loop().time() - POLL_SECONDS
        if silent := hub.silent_sessions(before=long_ago):
            owned = await in_supervisor_thread(leases.owners_of)(silent)
            for session_id in set(silent) - owned.keys():
                hub.drop_silent(session_id, before=long_ago)


async def _do_chores() -> None:
    for chore in CHORES:
        try:
            await in_chore_thread(chore)()
        except DatabaseError as error:
            if not is_transient(error):
                logger.exception("a chore of the supervisor failed; it will be tried again")
        except Exception:
            logger.exception("a chore of the supervisor failed; it will be tried again")


def last_seqs(session_ids: list[Any]) -> list[tuple[Any, int]]:
    """The number of the last event of each of these chat sessions."""
    found: list[tuple[Any, int]] = []
    for start in range(0, len(session_ids), leases.BATCH):
        batch = ChatSession.objects.filter(pk__in=session_ids[start : start + leases.BATCH])
        found += [(pk, next_seq - 1) for pk, next_seq in batch.values_list("pk", "next_seq")]
    return found
