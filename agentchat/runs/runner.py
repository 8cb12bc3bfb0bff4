"""The runs of this process: claim, advance, keep, drain.

A run is advanced by calling its agent function in a thread, until it returns, fails, or waits for a person. The keeper
looks after them once a second: it renews leases, reads stop flags, and claims what is ready and nobody's, so that no
run depends on the message that should have woken it, or on anybody's visit.

Where workers advance the runs (ENGINE = "celery"), the runner of a web process takes none: its keeper looks after the
watchers only. That of a worker takes them, and has no watchers.

Everything here is on the server's event loop (in a worker, on the loop that plays its part), except
`_advance_in_thread`.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar

from asgiref.sync import async_to_sync
from django.db import Error as DatabaseError
from django.db import OperationalError, connections, reset_queries

from agentchat import conf, registry
from agentchat.errors import (
    AgentChatError,
    ConfigError,
    Crashed,
    DatabaseAway,
    Interrupted,
    Released,
    Stopped,
    Suspended,
    Unwound,
)
from agentchat.events import RunError, RunFinished
from agentchat.io.base import IOStream
from agentchat.models import ChatSession, Run
from agentchat.runs import claims, lists
from agentchat.runs.database import PERSON_S, RUN_S, give_back_connections, give_back_if_pooled, is_passing, whole
from agentchat.runs.frames import Frame
from agentchat.runs.hub import hub
from agentchat.runs.iostream import RunIOStream
from agentchat.runs.journal import Claim, Journal, fail_unread
from agentchat.runs.layer import layer_between_processes
from agentchat.runs.link import Link
from agentchat.runs.pool import DaemonPool, in_thread
from agentchat.runs.publish import publish

logger = logging.getLogger("agentchat.runs")

BEAT_S = 1.0
POLL_S = 5.0  # so often the database is asked for facts that no bell has told of
GIVE_AWAY_S = 0.5  # so long a process that leaves tries to say that it does not die
STUCK_LEASES = 3  # so long a keeper may take for one round: longer than a silent network takes to be noticed

T = TypeVar("T")

Ended = tuple[list[Frame], int | None]  # what is to be published, and the run that follows

RUN_POOL = DaemonPool("agentchat-run", lambda: conf.app.max_runs)
DB_POOL = DaemonPool("agentchat-db", lambda: 4, at_end=connections.close_all)


def in_db_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """What a person does, in a thread of a small pool: behind nobody's slow view, and behind nothing but its like.

    While the database is away each piece of work holds its thread for seconds. So what is only looked at, and what the
    keeper does, have threads of their own; and who has waited here for longer than a person should is not tried any
    more. Then, and where a pool has no connection, OperationalError is raised.
    """
    return _in_lane(DB_POOL, function)


def in_read_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """The same for what is shown, exported or looked up: however much it is, nobody's message waits behind it."""
    return _in_lane(DB_POOL.lane("read"), function)


def _in_keepers_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    return _in_lane(DB_POOL.lane("keeper"), function)


def _in_claims_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    """A claim may wait for a lock: neither leases nor people wait behind it."""
    return _in_lane(DB_POOL.lane("claim"), function)


def _in_lane(pool: DaemonPool, function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    async def call(*args: Any, **kwargs: Any) -> T:
        asked = time.monotonic()

        def work() -> T:
            if runner.database_is_away and time.monotonic() - asked > PERSON_S:
                raise OperationalError(f"the database is away, and no thread was free to try it for {PERSON_S:g} s")
            for connection in connections.all(initialized_only=True):
                if connection.errors_occurred:
                    connection.close_if_unusable_or_obsolete()
            reset_queries()  # with DEBUG, Django keeps what a thread has asked: no request ends here and clears it
            try:
                return function(*args, **kwargs)
            finally:
                give_back_if_pooled()

        return await in_thread(pool, work)()

    return call


class Runner:
    """What runs in this process. One for each process; `start()` binds it to the server's loop."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.is_draining = False
        self.is_worker = False  # set before start(), by a process that is there to advance runs
        self._streams: dict[int, RunIOStream] = {}
        self._claims: dict[int, Claim] = {}
        self._tasks: dict[asyncio.Task[None], int] = {}  # with the run of each
        self._keeper: asyncio.Task[None] | None = None
        self.link: Link | None = None  # to other processes, where the channel layer leads out of this one
        self._beat_at = self._turned_at = self._polled_at = 0.0
        self._takes_over_at, self._was_late = 0.0, False
        self.database_is_away = False  # as the keeper has found it last
        self._poke = asyncio.Event()

    # --- start and stop --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the keeper on the running loop, once. Whoever comes first calls it: the server, or a websocket."""
        loop = asyncio.get_running_loop()
        lists.bell.start()
        if self.loop is loop and (self.is_draining or (self._keeper is not None and not self._keeper.done())):
            return  # also when it drains: whoever comes in the last moments must not make it claim runs again
        # A new loop is a new life: nothing of an old one can go on.
        self.loop, self.is_draining, self._beat_at, self._turned_at = loop, False, loop.time(), loop.time()
        self._streams, self._claims, self._tasks, self._poke = {}, {}, {}, asyncio.Event()
        self._takes_over_at, self._was_late, self.database_is_away = 0.0, False, False
        self.link = self._make_link()
        self._keeper = loop.create_task(self._keep(), name="agentchat keeper", context=Context())

    @property
    def is_alive(self) -> bool:
        """Whether the keeper has looked lately: within three beats, or a lease."""
        if self.loop is None or self._keeper is None or self._keeper.done():
            return False
        return self.loop.time() - self._beat_at < max(3 * BEAT_S, conf.app.lease_s)

    @property
    def is_stuck(self) -> bool:
        """Whether the keeper has not come round for so long that only a new process will help. From any thread.

        A round in which it finds the database away is one.
        """
        if self.loop is None or self.is_draining:
            return False
        return self.loop.time() - self._turned_at > STUCK_LEASES * conf.app.lease_s

    @property
    def takes_runs(self) -> bool:
        """Whether runs advance in this process."""
        return not self.is_draining and (self.is_worker or conf.app.engine == "threads")

    @property
    def advancing(self) -> int:
        """Runs that advance in this process now."""
        return len(self._tasks)

    async def drain(self, *, within: float) -> list[int]:
        """Claim nothing more, and give away what runs; wait at most `within` seconds for the threads to unwind.

        Return the runs that did unwind: somebody else may take them now.
        """
        self.is_draining = True
        running = list(self._claims)
        for stream in list(self._streams.values()):
            stream.bridge.call_off(Released)
            stream.nudge.set()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=within)
        for run_id in list(self._streams):
            logger.warning("run %d did not unwind in %g s; it is taken over when its lease ends", run_id, within)
        await self._give_away_the_rest()
        if self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None
        if self.link is not None:
            await self.link.close()
        return [run_id for run_id in running if run_id not in self._claims]

    async def _give_away_the_rest(self) -> None:
        if not self._claims:
            return
        giving = _in_keepers_thread(claims.give_away)(list(self._claims.values()))
        try:
            await asyncio.wait_for(giving, GIVE_AWAY_S)
        except (DatabaseError, TimeoutError) as error:
            logger.warning("whoever takes these runs over will think that this process has died: %r", error)

    def _make_link(self) -> Link | None:
        hub.ear = hub.voice = None
        if (channel_layer := layer_between_processes()) is None:
            return None
        return Link(
            hub,
            channel_layer,
            owners_of=in_read_thread(claims.owners_of),
            words={"run.stop": self._told_to_stop, "run.nudge": self._wake},
            on_list=lists.bell.heard,
            on_return=self._poll_now,
        )

    # --- wake, stop ------------------------------------------------------------------------------------------------

    def wake_soon(self, run_id: int) -> None:
        """From any thread: advance the run, if there is room; else the keeper comes back to it."""
        self._soon(self._wake, run_id)

    async def advance(self, run_id: int) -> None:
        """Advance the run now, and wait until it ends, waits, or is given away. Return at once if it is not ours."""
        if task := self._wake(run_id):
            await asyncio.wait({task})

    def stop_soon(self, run_id: int) -> None:
        """From any thread: unwind the run, if it advances here."""
        self._soon(self._stop, run_id)

    def _soon(self, callback: Callable[[int], object], run_id: int) -> None:
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(callback, run_id)

    def _wake(self, run_id: int) -> asyncio.Task[None] | None:
        """Begin to advance the run, if there is room. Return the task of that."""
        if stream := self._streams.get(run_id):
            stream.nudge.set()  # it may hold its thread and wait for this
            return None
        if not self.takes_runs or len(self._tasks) >= conf.app.max_runs or self.loop is None:
            return None
        # A context of its own: whoever wakes a run may be in a step of another one, or speak another language.
        task = self.loop.create_task(self._advance(run_id), name=f"agentchat run {run_id}", context=Context())
        self._tasks[task] = run_id
        task.add_done_callback(self._tasks.pop)
        return task

    def _stop(self, run_id: int) -> None:
        if stream := self._streams.get(run_id):
            stream.bridge.call_off(Stopped)
            stream.nudge.set()

    def _told_to_stop(self, run_id: int) -> None:
        logger.info("another process says that run %d is to stop", run_id)
        self._stop(run_id)

    # --- advance ---------------------------------------------------------------------------------------------------

    async def _advance(self, run_id: int) -> None:
        try:
            claim = None if run_id in self._claims else await _in_claims_thread(claims.claim)(run_id)
        except Exception:
            logger.exception("run %d could not be claimed; the keeper comes back to it", run_id)
            return
        if claim is None:
            return
        if claim.left_by:
            logger.warning(
                "run %d of chat session %s was left behind by %s (%d in a row, without a step in between)",
                claim.number,
                claim.session_id,
                claim.left_by,
                claim.crashes,
            )
        self._claims[run_id] = claim
        following: int | None = None
        try:
            following = await in_thread(RUN_POOL, self._advance_in_thread)(claim)
        except Exception:
            # Not the agent function's failure (that ends its run) but ours, or the database's: the lease will end.
            logger.exception("run %d of chat session %s could not be advanced", claim.number, claim.session_id)
        finally:
            del self._claims[run_id]
            stream = self._streams.pop(run_id, None)
            if stream is not None:
                hub.forget(claim.session_id, stream.writing)
            self._poke.set()  # there is room now, and this owner may have another run
        if following is not None:
            self._wake(following)

    def _advance_in_thread(self, claim: Claim) -> int | None:
        """Live one life of the run. Return the run that follows, if somebody has said more meanwhile."""
        try:
            ended = _give_up(claim) if claim.crashes >= claims.MOST_CRASHES else self._live(claim)
            if ended is None:
                return None
            frames, following = ended
            async_to_sync(publish)(claim.session_id, frames)
            lists.ring_for(claim.session_id)
            return following
        except Released:
            logger.warning("run %d of chat session %s is another process's now", claim.number, claim.session_id)
            return None
        finally:
            give_back_connections()

    def _live(self, claim: Claim) -> Ended | None:
        """Call the agent function. None: the run waits, or is given away."""
        agent = registry.find(claim.agent)
        durable = agent is None or agent.durable
        stream = whole(lambda _: RunIOStream(Journal(claim), durable=durable), within=RUN_S)
        self._streams[claim.run_id] = stream
        if self.is_draining:
            stream.bridge.reason = Released
        try:
            status, fact = self._outcome(claim, agent, stream)
        except Suspended:
            return None
        except Released:
            if stream.bridge.reason is not Released:
                raise  # nobody called it off: a write has found that the run is not ours
            if durable:
                stream.release()
                return None
            status, fact = Run.Status.INTERRUPTED, _failure(claim, Interrupted("the server stops"))
        return self._end(claim, stream, status, fact)

    def _end(self, claim: Claim, stream: RunIOStream, status: Run.Status, fact: RunFinished | RunError) -> Ended:
        """End the run; if what there is to write cannot be written, as failed: else it would be tried for ever."""
        try:
            return stream.end(status, fact)
        except (DatabaseAway, Released):
            raise
        except Exception as error:
            stream.writing.clear()
            return stream.end(Run.Status.FAILED, _failure(claim, error))

    def _outcome(
        self, claim: Claim, agent: registry.AgentFunction | None, stream: RunIOStream
    ) -> tuple[Run.Status, RunFinished | RunError]:
        """Call the agent function to its end. Raise Suspended or Released if it has none yet."""
        try:
            try:
                if agent is None:
                    raise ConfigError(f"there is no agent function {claim.agent!r}: was it renamed or removed?")
                if claim.epoch > 1 and not agent.durable:
                    raise Interrupted("the process that ran it has ended, and the agent function is not durable")
                with IOStream.set_default(stream):
                    agent.function(stream)
                stream.bridge.check()  # a bare `except:` may have swallowed it
                stream.check_journal()
            except BaseException:
                stream.bridge.check()
                raise
        except Stopped:
            return Run.Status.STOPPED, RunFinished(outcome={"type": "cancelled"})
        except (Suspended, Released):
            raise
        except Interrupted as error:
            return Run.Status.INTERRUPTED, _failure(claim, error)
        except (Exception, Unwound, asyncio.CancelledError, SystemExit, KeyboardInterrupt) as error:
            return Run.Status.FAILED, _failure(claim, error)
        return Run.Status.FINISHED, RunFinished(outcome={"type": "success"})

    # --- keep ------------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        self._polled_at = renewed = 0.0
        while True:
            now = asyncio.get_running_loop().time()
            try:
                if now - renewed >= conf.app.lease_s / 3:
                    await self._renew()
                    renewed = now
                await self._look_for_stops()
                await self._look_for_work()
                await self._look_at_the_line()
                is_deaf = self.link is not None and self.link.is_away
                if now - self._polled_at >= (BEAT_S if is_deaf else POLL_S):
                    self._polled_at = now
                    await self._look_for_facts()
                self._beat_at = self._turned_at = asyncio.get_running_loop().time()
                self.database_is_away = False
            except Exception as error:
                renewed = 0.0  # before anything else: others look at our leases, too
                if isinstance(error, DatabaseError) and is_passing(error):
                    self._turned_at, self.database_is_away = asyncio.get_running_loop().time(), True
                    logger.warning("the database does not answer; the keeper tries again: %s", error)
                else:
                    logger.exception("the keeper could not look after the runs; it tries again")
            with contextlib.suppress(TimeoutError):
                # A short lease must not end between two beats.
                await asyncio.wait_for(self._poke.wait(), min(BEAT_S, conf.app.lease_s / 3))
            self._poke.clear()

    async def _renew(self) -> None:
        lost = await _in_keepers_thread(claims.renew)(ours := list(self._claims.values()))
        for claim in ours:
            stream = self._streams.get(claim.run_id)
            if claim.run_id in lost and stream is not None and self._claims.get(claim.run_id) is claim:
                stream.bridge.call_off(Released)

    async def _look_for_stops(self) -> None:
        if self._claims:
            for run_id in await _in_keepers_thread(claims.to_be_stopped)(list(self._claims.values())):
                self._stop(run_id)

    async def _look_for_work(self) -> None:
        room = conf.app.max_runs - len(self._tasks)
        if room > 0 and self.takes_runs:
            ready = await _in_keepers_thread(claims.ready_runs)(room)
            if not self._may_take_over():
                ready = await _in_keepers_thread(claims.ready_runs_of_nobody)(room)
            being_claimed = set(self._tasks.values())
            for run_id in ready:
                if run_id not in being_claimed:  # it waits for a lock: once is enough
                    self._wake(run_id)

    def _may_take_over(self) -> bool:
        """Whether to claim what others have left behind. Not at once where this process could not look for a while.

        The others, who could not renew their leases meanwhile, come first. One that is always late takes over still.
        """
        now = asyncio.get_running_loop().time()
        is_late = now - self._beat_at > max(2 * BEAT_S, conf.app.lease_s / 2)
        if is_late and not self._was_late:
            self._takes_over_at = now + max(2 * BEAT_S, conf.app.lease_s / 3)
        self._was_late = is_late
        return now >= self._takes_over_at

    async def _look_at_the_line(self) -> None:
        if watched := hub.watched():
            hub.line_up(await _in_keepers_thread(claims.places_in_line)(watched))

    async def _look_for_facts(self) -> None:
        if watched := hub.watched():
            for session_id, seq in await _in_keepers_thread(_last_seqs)(watched):
                hub.ring(session_id, seq)
        long_ago = asyncio.get_running_loop().time() - POLL_S
        if mirrored := hub.mirrored(before=long_ago):
            owned = await _in_keepers_thread(claims.owners_of)(mirrored)
            for session_id in set(mirrored) - owned.keys():
                hub.drop_mirrors(session_id, before=long_ago)

    def _poll_now(self) -> None:
        self._polled_at = 0.0
        self._poke.set()


def _last_seqs(session_ids: list[Any]) -> list[tuple[Any, int]]:
    found: list[tuple[Any, int]] = []
    for start in range(0, len(session_ids), 500):
        rows = ChatSession.objects.filter(pk__in=session_ids[start : start + 500]).values_list("pk", "next_seq")
        found += [(pk, next_seq - 1) for pk, next_seq in rows]
    return found


def _give_up(claim: Claim) -> Ended:
    """Fail a run that no process outlives."""
    error = Crashed(
        f"{claims.MOST_CRASHES} processes in a row have died with it (the log names them: 'was left behind by'), and "
        f"no step was recorded in between. Look what has ended them (out of memory? journalctl -k), and what "
        f"{claim.agent!r} does after its last recorded step"
    )
    frames, following = fail_unread(claim, _failure(claim, error))
    return frames, following.pk if following else None


def _failure(claim: Claim, error: BaseException) -> RunError:
    """What people are told of a failure. The log has the rest under the same id."""
    error_id = secrets.token_hex(4)
    code = error.code if isinstance(error, AgentChatError) else AgentChatError.code
    words = error.kind_words if isinstance(error, AgentChatError) else AgentChatError.kind_words
    logger.error(
        "run %d of chat session %s (%s) failed [%s]: %s",
        claim.number,
        claim.session_id,
        claim.agent,
        error_id,
        error,
        exc_info=error,
    )
    return RunError(code=code, message=words, id=error_id)


runner = Runner()
