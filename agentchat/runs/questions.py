"""The questions of a run: how one is made and stored, and when it can no longer be answered."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from agentchat.core.addressees import Delegation
from agentchat.core.approvals import Approval, Decision
from agentchat.events import InputRequested
from agentchat.infra import moments

Question = dict[str, Any]  # the payload of an INPUT_REQUESTED event

WAITING = object()  # instead of an answer: there is none yet
EXPIRED = {"expired": True}  # as the result of an input step: nobody answered in time


def iso(moment: datetime | None) -> str | None:
    return None if moment is None else moments.with_zone(moment).isoformat()


def delegated(question: InputRequested, delegation: Delegation | None) -> InputRequested:
    """The question, as it is if somebody else than the user is asked. What its call says of `visible` goes first."""
    if delegation is None:
        return question
    visible = delegation.visible or (None if question.tool_call_id else "all")
    return replace(question, colleague=True, visible=question.visible or visible)


def approval_question(approval: Approval, digest: str) -> InputRequested:
    """The question that asks for approval; its request is filled in later."""
    return InputRequested(
        request="",
        kind="approval",
        prompt=approval.prompt,
        schema=approval.schema,
        initial=approval.arguments,
        tool_call_id=approval.tool_call_id,
        digest=digest,
        expires_at=iso(approval.expires_at),
        editable=approval.editable,
        visible=approval.visible,
        tool=approval.tool,
    )


def request_id(run_number: int, step: int, *, in_other_words: bool = False) -> str:
    """The id of the question that an input step asks, unique in its chat session."""
    return f"{run_number}-{step}" + (".0" if in_other_words else "")


def is_in_other_words(question: Question) -> bool:
    """Whether its step had asked something else before, and has asked this since the code has changed."""
    return str(question["request"]).endswith(".0")


def is_the_same(asked: Question, now: Question) -> bool:
    """Whether an answer to the one is an answer to the other. Both as they are stored.

    A question with a name is the one that was asked under this name; others have to have the same words and, as a form,
    the same fields. An approval is bound to its call by a digest, and the system's own questions count what was used
    meanwhile. One to the user is another than one to somebody else.
    """
    if now.get("colleague") != asked.get("colleague"):
        return False
    if now["kind"] == "approval":
        return True
    if "name" in now and "name" in asked:
        return bool(now["name"] == asked["name"])
    return all(asked.get(key) == now.get(key) for key in ("prompt", "schema"))


def is_expired(question: Question) -> bool:
    until = question.get("expiresAt")
    return until is not None and datetime.fromisoformat(until) <= moments.now()


def decision_of(answer: Any) -> Decision:
    """The answer to an approval, as it is stored."""
    return Decision(
        approved=answer["decision"] == "approve", arguments=answer.get("arguments"), reason=answer.get("reason", "")
    )
