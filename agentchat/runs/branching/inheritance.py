"""What a run inherits from the runs that it forked from: their journals, and the events that these have emitted.

Nothing is copied for a branch: its journal begins with the older rows and writes new ones. Writes nothing.
"""

from collections.abc import Iterator
from functools import cached_property

from django.db.models import Q

from agentchat.infra.encryption import ERASED
from agentchat.models import Event, Step
from agentchat.runs.branching.tree import RunNode, Tree
from agentchat.runs.origins import QUESTION_ORDINALS


class InheritedJournal:
    """What is known of a run when it resumes: its journal and its events, including those that it has inherited.

    `steps` are the recorded ones, by number. `to_repeat` are the numbers of those whose failure ended an earlier run,
    and that are made again: nothing of them is in `steps`.
    """

    def __init__(self, tree: Tree, run_pk: int) -> None:
        self.segments = tree.lineage(run_pk)
        self.steps: dict[int, Step] = {}
        self.to_repeat: set[int] = set()
        recorded: dict[int, list[Step]] = {}
        for step in Step.objects.filter(run__in=[segment.node.pk for segment in self.segments]):
            recorded.setdefault(step.run_id, []).append(step)
        for segment in self.segments:
            if segment.node.from_seq is not None:
                self._fork_at(segment.node)
            own = {step.number: step for step in recorded.get(segment.node.pk, ())}
            self.steps |= own
            self.to_repeat -= own.keys()

    def _fork_at(self, node: RunNode) -> None:
        fatal = set(fatal_steps(self.steps))
        self.to_repeat = {number for number in self.to_repeat | fatal if number <= node.from_step}
        self.steps = {n: step for n, step in self.steps.items() if n <= node.from_step and n not in fatal}

    @property
    def erased_passwords(self) -> list[int]:
        """The steps that asked for a password: it is erased when a run ends, and cannot be read again."""
        return [number for number, step in self.steps.items() if step.result == ERASED]

    @cached_property
    def is_emitted(self) -> Q:
        """The condition of the events that were emitted in it, including those of earlier runs that it shares."""
        condition = Q()
        for segment in self.segments:
            own = Q(run_id=segment.node.pk)
            condition |= own if segment.before is None else own & Q(seq__lt=segment.before)
        return condition

    def events(self) -> Iterator[Event]:
        """The events of earlier runs that count as emitted by this one, which does not emit them again.

        Those of its steps, and the question whose answer was edited.
        """
        if len(self.segments) == 1:
            return
        earlier = {segment.node.pk: segment for segment in self.segments[:-1]}
        last = self.segments[-1].node.from_step
        events = Event.objects.filter(
            run__in=earlier,
            seq__lt=self.segments[-1].node.from_seq,
            step_number__lte=last + 1,
            step_number__isnull=False,
        )
        for event in events.defer("session").order_by("seq"):
            segment = earlier[event.run_id or 0]
            step = event.step_number or 0
            is_inherited = step <= (last if segment.steps is None else segment.steps)
            is_edited_question = step == last + 1 and event.ordinal in QUESTION_ORDINALS
            if segment.shows(event.seq) and (is_inherited or is_edited_question):
                yield event


def fatal_steps(steps: dict[int, Step]) -> Iterator[int]:
    """The steps that failed and after which no other began: those that ended their run.

    A failed step that was followed by others was caught by the agent function, which went another way.
    """
    for number, step in steps.items():
        if step.status == Step.Status.FAILED and step.done_at is not None:
            later = (each for n, each in steps.items() if n > number)
            if not any(each.started_at >= step.done_at for each in later):
                yield number
