"""The state of a run (`iostream.state`): with what it begins, and what the recorded steps have made of it.

A run begins with the state at the end of the run before it in its branch. What a step has changed is recorded with the
step, so a run that resumes, or forks, passes the same states again; what the agent function changes between two steps
it changes again, and that is recorded with the next step, or as the state at the end.

Nothing is read or written for an agent function that does not use it.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from agentchat.core.state import State, StateChange
from agentchat.errors import ConfigError
from agentchat.models import Run, Step
from agentchat.runs.branching.inheritance import InheritedJournal
from agentchat.runs.branching.tree import Tree


class RunState:
    """The state in one execution of a run: read when it is first used. From any thread of the run."""

    def __init__(self, read: Callable[[], dict[str, Any]]) -> None:
        self._read = read
        self._state: State | None = None
        self._passed: list[StateChange] = []
        self._reading = threading.Lock()

    @property
    def value(self) -> dict[str, Any]:
        """The dict that the agent function uses. Reads the database at the first use."""
        with self._reading:  # functions of one `gather` may use it first, at the same time
            if self._state is None:
                state = State(self._read())
                for change in self._passed:
                    state.apply(change)
                self._state = state
            return self._state.value

    @property
    def loaded(self) -> dict[str, Any] | None:
        """The dict, if it is in use."""
        return None if self._state is None else self._state.value

    def replay(self, steps: Iterable[Step]) -> None:
        """These steps, made at the same time, come from the journal: change the state as they did."""
        changes = [step.state for step in steps if step.state is not None]
        for change in sorted(changes, key=lambda change: change["order"]):
            self._passed.append(change)
            if self._state is not None:
                self._state.apply(change)

    def begin_step(self) -> None:
        """Steps begin, which may change it."""
        if self._state is not None:
            self._state.begin()

    def change_or_error(self) -> tuple[StateChange | None, ConfigError | None]:
        """What has changed since the last step, or why that cannot be recorded."""
        try:
            return None if self._state is None else self._state.take_change(), None
        except ConfigError as error:
            return None, error

    def at_end(self) -> dict[str, Any] | None:
        """The state to record at the end of the run; None if nothing has used it. What is no JSON is left out."""
        self.change_or_error()
        return None if self._state is None else self._state.recorded


def state_before(session_id: UUID, run_pk: int) -> dict[str, Any]:
    """The state with which this run begins. Four queries, and two more for each run whose end has recorded none."""
    ends = dict(Run.objects.filter(session=session_id, state__isnull=False).values_list("pk", "state"))
    with_changes = set(
        Step.objects.filter(run__session=session_id, state__isnull=False).values_list("run_id", flat=True)
    )
    tree = Tree.of(session_id)
    later: list[StateChange] = []
    parent = _run_before(tree, run_pk)
    while parent is not None and parent not in ends:
        if any(segment.node.pk in with_changes for segment in tree.lineage(parent)):
            later = changes_of(InheritedJournal(tree, parent).steps.values()) + later
        parent = _run_before(tree, parent)
    state = State({} if parent is None else ends[parent])
    for change in later:
        state.apply(change)
    return state.value


def changes_of(steps: Iterable[Step]) -> list[StateChange]:
    """What these steps have changed, in the order in which it happened."""
    return sorted((step.state for step in steps if step.state is not None), key=lambda change: change["order"])


def _run_before(tree: Tree, run_pk: int) -> int | None:
    """The run that this one follows, or that the run follows which it forked from."""
    return tree.lineage(run_pk)[0].node.parent
