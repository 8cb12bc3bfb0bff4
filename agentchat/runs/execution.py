"""One execution of a run: its agent function is called, until it returns, fails, waits, or is cancelled.

In a thread of RUN_POOL. What runs concurrently, and when, is the runner's responsibility.
"""

from asgiref.sync import async_to_sync
from django.conf import settings

from agentchat import conf
from agentchat.core import observing, registry
from agentchat.core.log import get_logger
from agentchat.errors import (
    Aborted,
    Cancelled,
    ConfigError,
    DatabaseUnavailable,
    Interrupted,
    LeaseLost,
    MaxRecoveryAttemptsExceeded,
    Suspended,
)
from agentchat.events import RunError, RunFinished
from agentchat.infra.database import RUN_TIMEOUT_SECONDS, close_connections, retry_transaction
from agentchat.infra.thread_pool import DaemonPool
from agentchat.io.base import IOStream
from agentchat.models import Run
from agentchat.realtime import chat_list
from agentchat.realtime.frames import Frame
from agentchat.realtime.publish import publish
from agentchat.runs.active_runs import ActiveRuns
from agentchat.runs.failures import run_error
from agentchat.runs.journal import Journal
from agentchat.runs.leases import MAX_CRASHES, Claim
from agentchat.runs.stream import RunIOStream
from agentchat.runs.transactions import fail_unread

logger = get_logger("agentchat.runs")

RUN_POOL = DaemonPool("agentchat-run", lambda: conf.app.max_runs)

Ended = tuple[list[Frame], int | None]  # what is to be published, and the run that follows


def execute(claim: Claim, active: ActiveRuns) -> int | None:
    """Execute the run once. Return the run that follows, if this one has ended and the user has sent more meanwhile."""
    try:
        ended = _fail_crashed(claim) if claim.crashes >= MAX_CRASHES else _run(claim, active)
        if ended is None:
            return None
        frames, following = ended
        async_to_sync(publish)(claim.session_id, frames)
        chat_list.notify_owner_of(claim.session_id)
        return following
    except LeaseLost:
        logger.warning("run %d of chat session %s now belongs to another process", claim.number, claim.session_id)
        return None
    finally:
        close_connections()


def _run(claim: Claim, active: ActiveRuns) -> Ended | None:
    """Call the agent function. None: the run waits, or was released."""
    agent = registry.find(claim.agent)
    durable = agent is None or agent.durable
    stream = retry_transaction(lambda _: RunIOStream(Journal(claim), durable=durable), timeout=RUN_TIMEOUT_SECONDS)
    active.add_stream(claim.run_id, stream)
    if agent is not None and (settings.DEBUG or stream.is_in_test):
        stream.watch_memory(agent.function)
    if active.is_draining:
        stream.bridge.reason = LeaseLost
    try:
        with observing.execution(claim) as report:
            return _call(claim, agent, stream, report, durable=durable)
    finally:
        stream.close()


def _call(
    claim: Claim,
    agent: registry.AgentFunction | None,
    stream: RunIOStream,
    report: observing.Report,
    *,
    durable: bool,
) -> Ended | None:
    try:
        status, event = _outcome(claim, agent, stream)
    except Suspended:
        return None
    except LeaseLost:
        if stream.bridge.reason is not LeaseLost:
            raise  # it was not cancelled: a write has found that the run belongs to another process
        if durable:
            stream.release()
            return None
        status, event = Run.Status.INTERRUPTED, run_error(claim, Interrupted("the server stops"))
    ended = _end(claim, stream, status, event)
    report((str(status), getattr(event, "code", "")))
    return ended


def _outcome(
    claim: Claim, agent: registry.AgentFunction | None, stream: RunIOStream
) -> tuple[Run.Status, RunFinished | RunError]:
    """Call the agent function to its end. Raise Suspended or LeaseLost if it has none yet."""
    try:
        try:
            if agent is None:
                raise ConfigError(f"there is no agent function {claim.agent!r}: was it renamed or removed?")
            if claim.epoch > 1 and not agent.durable:
                raise Interrupted("the process that ran it has ended, and the agent function is not durable")
            with IOStream.in_run(stream):
                agent.call(stream)
            stream.check()  # a bare `except:` may have swallowed it
            stream.check_end()
        except BaseException:
            stream.check()
            raise
    except Cancelled:
        return Run.Status.STOPPED, RunFinished(outcome={"type": "cancelled"})
    except (Suspended, LeaseLost):
        raise
    except Interrupted as error:
        return Run.Status.INTERRUPTED, run_error(claim, error)
    except Aborted as aborted:
        return Run.Status.FAILED, run_error(claim, aborted.error)
    except BaseException as error:  # whatever an agent function raises, its run has ended
        return Run.Status.FAILED, run_error(claim, error)
    return Run.Status.FINISHED, RunFinished(outcome={"type": "success"})


def _end(claim: Claim, stream: RunIOStream, status: Run.Status, event: RunFinished | RunError) -> Ended:
    """End the run; as failed if its end cannot be saved like this, or it would be tried for ever."""
    try:
        return stream.end(status, event)
    except (DatabaseUnavailable, LeaseLost):
        raise
    except Exception as error:
        stream.output.writing.clear()
        return stream.end(Run.Status.FAILED, run_error(claim, error))


def _fail_crashed(claim: Claim) -> Ended:
    """Fail a run that has killed one process after the other."""
    error = MaxRecoveryAttemptsExceeded(
        f"{MAX_CRASHES} processes in a row have died with it (the log names them: 'was orphaned by'), and no step was "
        f"recorded in between. Find out what ended them (out of memory? journalctl -k), and what {claim.agent!r} does "
        f"after its last recorded step"
    )
    frames, following = fail_unread(claim, run_error(claim, error))
    return frames, following.pk if following else None
