"""Where an event of a run comes from: the key by which a replay recognizes what was saved before.

An event of a run belongs to a step, to one phase of it, and has an index within that phase. Steps are numbered from 1;
what is emitted before the first one belongs to step 0. The phases are apart because another attempt of a step may emit
more or fewer events than the first one did, and must not take the places of what comes after:

- `WITHIN`: emitted while the step is made. Index 0 of an input step is its question.
- `RESULT`: emitted with the step's result, in the same transaction.
- `ASKED_AGAIN`: the questions whether to make a step again that may have taken effect; the index is the attempt. Index
  0 of an input step is its question in other words, after the code has changed.
- `AFTER`: emitted after this step and before the next one.

The database has one integer for phase and index, `Event.ordinal`, in a unique key with the run and the step. So a
phase is stored as the ordinal of its index 0, and an index is added to that; ids of messages contain the same integer.
A column for each would say no more, and would rewrite every stored event. Code outside this file knows phases only.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from agentchat.models import Event


class Phase(IntEnum):
    """When an event is emitted, with regard to its step. The value is the ordinal of the phase's index 0."""

    WITHIN = 0
    RESULT = 400_000
    ASKED_AGAIN = 500_000
    AFTER = 1_000_000


# Of an input step's question, as it was asked first and in other words, for queries.
QUESTION_ORDINALS = (int(Phase.WITHIN), int(Phase.ASKED_AGAIN))


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The same place in the code gives the same origin at every execution of the run."""

    step: int
    phase: Phase = Phase.WITHIN
    index: int = 0

    @property
    def ordinal(self) -> int:
        """Phase and index as they are stored."""
        return int(self.phase) + self.index

    @property
    def is_question(self) -> bool:
        """Whether it is that of the question of an input step."""
        return self.ordinal in QUESTION_ORDINALS

    @classmethod
    def stored(cls, step_number: int | None, ordinal: int) -> Self:
        """The origin of a stored event of a run."""
        phase = max(each for each in Phase if each <= ordinal)
        return cls(step=step_number or 0, phase=phase, index=ordinal - phase)

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls.stored(event.step_number, event.ordinal)


class OriginSequence(Iterator[Origin]):
    """The origins of one phase of a step, in order. Any thread of the run may take the next one."""

    def __init__(self, step: int, phase: Phase = Phase.WITHIN, *, start: int = 0) -> None:
        self.step = step
        self._phase = phase
        self._indexes = itertools.count(start)

    def __next__(self) -> Origin:
        return Origin.stored(self.step, self._phase + next(self._indexes))  # as it will be read again
