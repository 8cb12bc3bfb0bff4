"""The runs of this process: claimed, advanced, released.

A run is advanced by calling its agent function in a thread (`execution`), until it returns, fails, or waits for its
user. The supervisor finds runs that nothing has woken. Where workers advance the runs (ENGINE = "celery"), the runner
of a web process claims none; that of a worker claims them, and has no subscribers.

Everything here is on the server's event loop (in a worker, on the loop that takes its place), except where noted.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any

from django.db import Error as DatabaseError

from agentchat import conf
from agentchat.core.log import get_logger
from agentchat.errors import Cancelled, LeaseLost
from agentchat.infra.channel_layer import layer_between_processes
from agentchat.infra.database import in_transaction
from agentchat.infra.db_threads import in_claim_thread, in_read_thread, in_supervisor_thread
from agentchat.infra.loop_scope import start_scope
from agentchat.infra.thread_pool import in_thread
from agentchat.realtime import chat_list
from agentchat.realtime.hub import current_hub
from agentchat.realtime.relay.link import RelayLink
from agentchat.runs import direct_claims, leases
from agentchat.runs.active_runs import ActiveRuns
from agentchat.runs.execution import RUN_POOL, execute
from agentchat.runs.leases import Claim
from agentchat.runs.supervisor import Supervisor

logger = get_logger("agentchat.runs")

DISOWN_TIMEOUT_SECONDS = 0.5  # how long a process that stops tries to report that it does not crash


class Runner:
    """What runs in this process. One for each process; `start()` binds it to the server's loop."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.is_worker = False  # set before start(), by a process whose purpose is to advance runs
        self.active = ActiveRuns()
        self.supervisor = Supervisor(self)
        self.link: RelayLink | None = None  # to other processes, where the channel layer leads out of this one

    # --- start and stop --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start on the running loop, once. The first that needs it calls it: the server, or a websocket."""
        loop = asyncio.get_running_loop()
        start_scope()
        if self.loop is loop and (self.is_draining or self.supervisor.is_running):
            return  # also while it drains: a late visitor must not make it claim runs again
        # Nothing of another loop can go on here.
        self.loop, self.active = loop, ActiveRuns()
        self.link = self._make_link()
        self.supervisor.start()

    def stop_claiming(self) -> None:
        """The process is about to stop: claim no more runs. From any thread."""
        self.active.is_draining = True

    @property
    def is_draining(self) -> bool:
        return self.active.is_draining

    @property
    def takes_runs(self) -> bool:
        """Whether runs advance in this process."""
        return not self.is_draining and (self.is_worker or conf.app.engine == "threads")

    @property
    def is_alive(self) -> bool:
        """Whether the supervisor has looked after the runs lately. From any thread."""
        return self.supervisor.is_alive

    @property
    def is_stuck(self) -> bool:
        """Whether only a new process will help. From any thread."""
        return not self.is_draining and self.supervisor.is_stuck

    @property
    def advancing(self) -> int:
        """How many runs advance in this process now."""
        return len(self.active.tasks)

    async def drain(self, *, within: float) -> list[int]:
        """Claim nothing more, and release what runs; wait at most `within` seconds for the threads to unwind.

        Return the runs that did unwind: other processes may claim them now.
        """
        self.stop_claiming()
        active = self.active
        for run_id in active.unfinished():
            active.cancel(run_id, LeaseLost)
        ends_at = asyncio.get_running_loop().time() + within
        while active.reserved and asyncio.get_running_loop().time() < ends_at:
            await asyncio.sleep(0.01)  # what is being claimed is begun, and released
        running = list(active.claims)
        if active.tasks:
            await asyncio.wait(list(active.tasks), timeout=max(0.0, ends_at - asyncio.get_running_loop().time()))
        for run_id in active.unfinished():
            logger.warning("run %d did not unwind within %g s; it is taken over when its lease expires", run_id, within)
        await self._disown_the_rest()
        self.supervisor.stop()
        if self.link is not None:
            await self.link.close()
        return [run_id for run_id in running if run_id not in active.claims]

    async def _disown_the_rest(self) -> None:
        if not self.active.claims:
            return
        disowning = in_supervisor_thread(leases.disown)(list(self.active.claims.values()))
        try:
            await asyncio.wait_for(disowning, DISOWN_TIMEOUT_SECONDS)
        except (DatabaseError, TimeoutError) as error:
            logger.warning(
                "runs could not be released; the process that takes them over will count this one as dead: %r", error
            )

    def _make_link(self) -> RelayLink | None:
        if (channel_layer := layer_between_processes()) is None:
            return None
        return RelayLink(
            current_hub(),
            channel_layer,
            owners_of=in_read_thread(leases.owners_of),
            on_direct={"run.stop": self._stop_requested, "run.wake": self.wake},
            on_list=chat_list.current_notifier().on_change,
            on_recovery=self.supervisor.poll_now,
        )

    # --- wake, stop ------------------------------------------------------------------------------------------------

    def wake_soon(self, run_id: int) -> None:
        """From any thread: advance the run if there is room; otherwise the supervisor comes back to it."""
        self._call_soon(self.wake, run_id)

    async def advance(self, run_id: int) -> None:
        """Advance the run now, and wait until it ends, waits, or is released. Return at once if it is not ours."""
        if task := self.wake(run_id):
            await asyncio.wait({task})

    def stop_soon(self, run_id: int) -> None:
        """From any thread: unwind the run, if it advances here. It shows nothing more when this returns."""
        self.active.request_cancel(run_id, Cancelled)
        self._call_soon(self._stop, run_id)

    def _call_soon(self, callback: Callable[[int], object], run_id: int) -> None:
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(callback, run_id)

    def wake(self, run_id: int) -> asyncio.Task[None] | None:
        """Begin to advance the run, if there is room. Return the task that does it."""
        if self.active.wake(run_id):  # it may hold its thread and wait for this
            return None
        if not self.takes_runs or self.loop is None or not self.active.reserve():
            return None
        return self._begin(run_id, self._claim_and_advance(run_id))

    @contextmanager
    def room(self) -> Iterator[None]:
        """Keep room for a run that the transaction within may claim (`direct_claims`), and advance it. From any thread.

        If there is none, or others wait for it, or runs do not advance here, nothing is claimed within.
        """
        active = self.active
        is_ours = self.takes_runs and self.is_alive and not in_transaction()  # which may be rolled back
        if not is_ours or not active.reserve(ahead_of_others=False):
            yield
            return
        room = direct_claims.Room()
        try:
            with direct_claims.using(room):
                yield
        finally:
            if (claim := room.committed) is None:
                active.give_back()
            else:
                self._call_soon(lambda _: self._begin(claim.run_id, self._advance(claim)), claim.run_id)

    def _begin(self, run_id: int, advance: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """With room that was reserved."""
        # In a context of its own: the caller may be in a step of another run, or use another language.
        task = asyncio.get_running_loop().create_task(advance, name=f"agentchat run {run_id}", context=Context())
        self.active.tasks[task] = run_id
        self.active.give_back()
        task.add_done_callback(self.active.tasks.pop)
        return task

    def _stop(self, run_id: int) -> None:
        self.active.cancel(run_id, Cancelled)

    def _stop_requested(self, run_id: int) -> None:
        logger.info("another process requests that run %d stop", run_id)
        self._stop(run_id)

    async def _claim_and_advance(self, run_id: int) -> None:
        try:
            claim = None if run_id in self.active.claims else await in_claim_thread(leases.claim)(run_id)
        except Exception:
            logger.exception("run %d could not be claimed; the supervisor will try again", run_id)
            return
        if claim is not None:
            await self._advance(claim)

    async def _advance(self, claim: Claim) -> None:
        active, run_id = self.active, claim.run_id
        this = asyncio.current_task()
        if earlier := [task for task, run in active.tasks.items() if run == run_id and task is not this]:
            await asyncio.wait(earlier)  # it has let go of the run, which was answered while it was on its way back
        if claim.orphaned_by:
            logger.warning(
                "run %d of chat session %s was orphaned by %s (%d in a row, without a step in between)",
                claim.number,
                claim.session_id,
                claim.orphaned_by,
                claim.crashes,
            )
        active.claims[run_id] = claim
        following: int | None = None
        try:
            following = await in_thread(RUN_POOL, execute)(claim, active)
        except Exception:
            # Not the agent function's failure (that ends its run) but ours, or the database's: the lease will expire.
            logger.exception("run %d of chat session %s could not be advanced", claim.number, claim.session_id)
        finally:
            if stream := active.remove(run_id):
                current_hub().forget(claim.session_id, stream.output.writing)
            self.supervisor.wake()  # there is room now, and this owner may have another run
        if following is not None:
            self.wake(following)


runner = Runner()
