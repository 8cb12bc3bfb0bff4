"""Whether the code still makes the steps that the journal has: a replay is only right if it does.

Steps are compared by number, kind and name; what a user has approved, by its digest too. A difference ends the run.
"""

import hashlib
import json
from typing import Any

from agentchat.core.log import get_logger
from agentchat.errors import NonDeterminismError
from agentchat.events import InputRequested
from agentchat.infra.json_field import UnreadableJSON
from agentchat.infra.sanitize import clean_json
from agentchat.models import Step
from agentchat.runs.leases import Claim
from agentchat.runs.questions import Question, is_in_other_words, is_the_same

logger = get_logger("agentchat.runs")


def digest_of(request: Any) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True, default=str).encode()).hexdigest()


def changed_step(claim: Claim, step: Step, kind: str, name: str, digest: str | None) -> NonDeterminismError | None:
    """The error if the recorded step is not the one that comes now. `digest`: of what was approved."""
    if isinstance(step.result, UnreadableJSON):
        return NonDeterminismError(
            f"step {step.number} of run {claim.number} ({step.name!r}) is made, but its result cannot be read from the "
            f"database ({step.result.reason}): the run cannot be resumed"
        )
    if digest is not None and step.request_hash != digest and step.name == name:
        return NonDeterminismError(
            f"step {step.number} of run {claim.number} was {name!r}, and the user has approved it with other "
            f"arguments than it has now: a recorded model reply decides them, so did the code change?"
        )
    if (step.kind, step.name) != (kind, name):
        return NonDeterminismError(
            f"step {step.number} of run {claim.number} was {step.kind} {step.name!r}, and is now {kind} {name!r}: "
            f"did the code of {claim.agent!r} change while the run waited, or does it decide by a clock, a "
            f"random number or the database? Put such a decision into iostream.step(name, function)"
        )
    return None


def changed_question(claim: Claim, asked: Question, question: InputRequested, name: str) -> NonDeterminismError | None:
    """The error if an earlier execution asked something here that this question cannot replace."""
    now = clean_json(question.payload())
    if any(asked.get(key) != now.get(key) for key in ("kind", "digest", "password")):
        return NonDeterminismError(
            f"question {asked['request']} of run {claim.number} was about something else before than {name!r} "
            f"is now, and the user's answer is not meant for that"
        )
    if is_in_other_words(asked) and not is_the_same(asked, now):
        return NonDeterminismError(
            f"question {asked['request']} of run {claim.number} was asked in other words at each execution, last as "
            f"{asked['prompt']!r} and now as {question.prompt!r}: it is not clear what the user's answer is meant for. "
            f"Give it a name that stays, as in iostream.input(prompt, name='confirm'), or put what changes in it (a "
            f"time, a row of the database) into iostream.step(name, function)"
        )
    return None


def warn_of_other_words(claim: Claim, asked: Question, question: InputRequested) -> None:
    """Log if the recorded answer was given to a question in other words. It stays the answer."""
    if not is_the_same(asked, clean_json(question.payload())):
        logger.warning(
            "run %d of chat session %s: the recorded answer to %r is used for %r",
            claim.number,
            claim.session_id,
            asked["prompt"],
            question.prompt,
        )


def unexpected_step(claim: Claim, number: int, kind: str, name: str) -> NonDeterminismError:
    """The journal has no step of this number, although it has later ones."""
    return NonDeterminismError(
        f"step {number} of run {claim.number} is now {kind} {name!r}, and was something else before: a "
        f"question, or a step that failed and was caught. Did the code of {claim.agent!r} change while "
        f"the run waited?"
    )
