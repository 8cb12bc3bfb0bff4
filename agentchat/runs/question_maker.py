"""The questions of a run: each is asked once, and its answer is a step, which is taken from the journal from then on.

Without an answer the run is suspended; a function that cannot be called again keeps its thread instead. In the agent's
thread.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from agentchat import conf
from agentchat.core.addressees import Delegation
from agentchat.errors import InputExpired, Suspended
from agentchat.events import InputRequested
from agentchat.infra import moments
from agentchat.infra.database import release_pooled_connections
from agentchat.models import Step
from agentchat.realtime.frames import Frame
from agentchat.runs.async_bridge import RunBridge
from agentchat.runs.journal import Journal
from agentchat.runs.output import RunOutput
from agentchat.runs.questions import EXPIRED, WAITING, decision_of, delegated, iso

ANSWER_POLL_SECONDS = 1.0  # an answer may arrive in another process, whose wake-up may be lost


class QuestionMaker:
    """Asks the user of a run, or somebody else: whoever a `Delegation` names.

    `wake_event` is set when something may have come for a thread that waits.
    """

    def __init__(
        self, journal: Journal, bridge: RunBridge, output: RunOutput, wake_event: threading.Event, *, durable: bool
    ) -> None:
        self._journal = journal
        self._bridge = bridge
        self._output = output
        self._wake_event = wake_event
        self._durable = durable

    def answer(
        self, name: str, question: InputRequested, delegation: Delegation | None, *, accepts_unsolicited: bool
    ) -> Any:
        """The answer. Raise Suspended to wait for it, InputExpired if it can no longer come."""
        question = delegated(question, delegation)
        number = self._journal.next_number()
        recorded = self._journal.recorded(number, "input", name, digest=question.digest)
        if recorded is not None:
            answer = recorded.result
            self._journal.warn_of_other_words(number, question)
        else:
            if not self._durable and question.expires_at is None:
                question = replace(question, expires_at=iso(moments.now() + timedelta(seconds=conf.app.wait_s)))
            modes = {"accepts_unsolicited": accepts_unsolicited, "blocking": not self._durable}
            look = partial(self._journal.answer, number, name, question, delegation, **modes)
            answer, frames = look()
            self._output.publish(frames)
            if answer is WAITING and not self._durable:
                answer = self.block_for(look)
        self.suspend_if(answer is WAITING)
        self._journal.passed(number)
        if answer == EXPIRED:
            raise InputExpired(f"question {question.prompt!r} was not answered in time")
        return answer

    def block_for(self, look: Callable[[], tuple[Any, list[Frame]]]) -> Any:
        """Block the thread until the answer is there: for agent functions that cannot be called again."""
        answer: Any = WAITING
        while answer is WAITING:
            release_pooled_connections()
            self._wake_event.wait(ANSWER_POLL_SECONDS)
            self._wake_event.clear()
            self._bridge.check()
            answer, frames = look()
            self._output.publish(frames)
        return answer

    def consents(self, step: Step, question: InputRequested, delegation: Delegation | None) -> bool:
        """Whether the user, or whoever is asked instead, wants this step to be made again."""
        answer, frames = self._journal.consent_to_repeat(step, delegated(question, delegation), delegation)
        self._output.publish(frames)
        self.suspend_if(answer is WAITING)
        return decision_of(answer).approved

    def suspend_if(self, waits: bool) -> None:
        """Raise Suspended if there is something to wait for."""
        if waits:
            self._bridge.reason = self._bridge.reason or Suspended
            raise Suspended
