"""The step seam: where a run can remember what happened.

Every LLM call, tool call, input and own step of an agent function goes through `step()`. On a console it only calls.
A stream that records steps (a run's) writes the result down and, when the function is called again after a wait or a
crash, returns it without calling. Who records, and where, is that stream's affair.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from agentchat.events import Event

Kind = Literal["llm", "tool", "input", "step"]


@dataclass(frozen=True, kw_only=True)
class Try:
    """One try of one step.

    `key` is the same at every try (an idempotency key); `attempt` rises with each. `unsure`: an earlier try began,
    nobody knows whether it took effect, and the step is not `retry_safe`: say so instead of doing it again.
    """

    key: str
    attempt: int = 1
    unsure: bool = False


Call = Callable[[Try], Any]
Tell = Callable[[Any], Iterable[Event]]


def _nothing(result: Any) -> Iterable[Event]:
    return ()


@runtime_checkable
class RecordsSteps(Protocol):
    """A stream with a journal. `record_step` has the meaning of `step()` below."""

    def record_step(self, kind: Kind, name: str, request: Any, call: Call, *, tell: Tell, retry_safe: bool) -> Any: ...


def step(
    stream: object,
    kind: Kind,
    name: str,
    request: Any,
    call: Call,
    *,
    send: Callable[[Event], None],
    tell: Tell = _nothing,
    retry_safe: bool = False,
) -> Any:
    """Return the result of `call(try_)`, from the journal if it is there already.

    `request` and the result are JSON values. `tell(result)` gives the facts that say what came of it; they are saved
    together with the result, so that neither is ever without the other. `retry_safe` is for tools: whether a call that
    may or may not have taken effect when its process died may be made again.

    Blocks as long as `call` does. Raises what `call` raises; nothing is recorded then.
    """
    if isinstance(stream, RecordsSteps):
        return stream.record_step(kind, name, request, call, tell=tell, retry_safe=retry_safe)
    result = call(Try(key=uuid.uuid4().hex))
    for event in tell(result):
        send(event)
    return result
