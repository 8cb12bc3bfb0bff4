"""The step seam: where a run can remember what happened.

Every LLM call, tool call, input and own step of an agent function goes through `step()`. On a console it only calls.
A stream that records steps (a run's) writes the result down and, when the function is called again after a wait or a
crash, returns it without calling. Who records, and where, is that stream's affair.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from agentchat.events import Event

Kind = Literal["llm", "tool", "input", "step"]

ANSWERS_PER_TRY = 1000  # so many attempt numbers has each try of a step


@dataclass(frozen=True, kw_only=True)
class Try:
    """One try of one step.

    `key` is the same at every try (an idempotency key); `attempt` rises with each. `unsure`: an earlier try began,
    nobody knows whether it took effect, and the step is not `retry_safe`: say so instead of doing it again.
    """

    key: str
    attempt: int = 1
    unsure: bool = False

    def attempt_of_answer(self, number: int) -> int:
        """The `attempt` of deltas where this try begins its answer anew: `number` is 1 for the first answer, then 2 …

        It rises within a try and from each try to the next.
        """
        return (self.attempt - 1) * ANSWERS_PER_TRY + min(number, ANSWERS_PER_TRY)


Call = Callable[[Try], Any]
Tell = Callable[[Any], Iterable[Event]]


def _nothing(result: Any) -> Iterable[Event]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Step:
    """What `step()` takes, as a value: for steps that may be made at the same time."""

    kind: Kind
    name: str
    request: Any
    call: Call
    tell: Tell = _nothing
    retry_safe: bool = False


@runtime_checkable
class RecordsSteps(Protocol):
    """A stream with a journal. `record_steps` has the meaning of `steps()` below."""

    def record_steps(self, steps: Sequence[Step]) -> list[Any]: ...


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
    one = Step(kind=kind, name=name, request=request, call=call, tell=tell, retry_safe=retry_safe)
    return steps(stream, [one], send=send)[0]


def steps(stream: object, several: Sequence[Step], *, send: Callable[[Event], None]) -> list[Any]:
    """Return the results of several steps, in their order.

    Their places in the journal are taken in this order, here and now. A run makes them at the same time, in threads;
    any other stream one after the other. Raises what the first of them raises that fails, when all have ended.
    """
    if isinstance(stream, RecordsSteps):
        return stream.record_steps(several)
    results = []
    for each in several:
        results.append(result := each.call(Try(key=uuid.uuid4().hex)))
        for event in each.tell(result):
            send(event)
    return results
