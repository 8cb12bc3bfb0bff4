"""What a run takes out of the inbox of its chat session: messages, and answers to its questions."""

from collections.abc import Sequence
from typing import Any

from agentchat.events import InputRequested
from agentchat.infra import moments
from agentchat.infra.statements import insert, select_one, update
from agentchat.models import ChatSession, InboxItem, Run, Step
from agentchat.runs.leases import Claim
from agentchat.runs.questions import EXPIRED
from agentchat.runs.transactions import JournalTransaction, reset_crash_count, step_columns


def next_answer(session: ChatSession, requests: Sequence[str]) -> InboxItem | None:
    """The first that no run has taken, of those for these requests; "" is that of a message which answers none."""
    first = ("-request_id", "id")  # an answer to a question goes before other messages
    return select_one(InboxItem, session_id=session.pk, run_id=None, request_id=tuple(requests), order=first)


def take(
    tx: JournalTransaction, claim: Claim, item: InboxItem | None, number: int, name: str, question: InputRequested
) -> Any:
    """Record the item's value, or that no answer can come any more, as the step that has asked. Return it."""
    if item is not None:
        assign(item, tx.run, number)
    # A process that has died with the run may have taken this item too, and died before it was recorded: then this
    # execution is not further than that one was.
    if item is None or not claim.orphaned_by:
        reset_crash_count(tx.run)
    now = moments.now()
    tx.steps[number] = step = Step(
        run=tx.run,
        number=number,
        **step_columns("input", name, question.digest or "", Step.Status.DONE),
        result=EXPIRED if item is None else item.value,
        started_at=now,
        done_at=now,
    )
    insert([step])
    return step.result


def assign(item: InboxItem, run: Run, step: int) -> None:
    """This step has taken the item out of the inbox."""
    item.run, item.step = run, step
    update(item, "run", "step")
