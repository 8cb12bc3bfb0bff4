"""The tree of runs: which events a branch shows, what a run's journal begins with, and where branches part.

A run that simply follows has no `from_seq`: all of its parent's branch came before it. One that was made by "try again"
or "edit" parted from its parent at `from_seq`: of the parent's branch only the events before that came before it, and
the steps up to `from_step` are its own too. Nothing is copied for that; whoever reads asks here what belongs together.

Reads one small row of each run, once, and works on these. Writes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.db.models import Q, QuerySet

from agentchat.events import TextMessageStart
from agentchat.models import ChatSession, Event, Run, Step
from agentchat.runs.sealing import ERASED

Said = Mapping[int, Sequence[int]]


@dataclass(frozen=True, kw_only=True)
class Node:
    """A run, as far as the tree knows it."""

    pk: int
    number: int
    parent: int | None
    from_seq: int | None
    from_step: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run in a branch: of its events those before `before`, or all; of its steps those up to `steps`, or all."""

    node: Node
    before: int | None = None
    steps: int | None = None

    def shows(self, seq: int) -> bool:
        return self.before is None or seq < self.before


@dataclass(frozen=True, kw_only=True)
class Way:
    """One of several ways on from where branches part: a run, or what is left of it after `after`."""

    node: Node
    after: int = -1


class Tree:
    """The runs of one chat session."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._nodes = {node.pk: node for node in nodes}
        self._children: dict[int | None, list[Node]] = {}
        for node in sorted(self._nodes.values(), key=lambda node: node.number):
            self._children.setdefault(node.parent, []).append(node)

    @classmethod
    def of(cls, session_id: UUID) -> "Tree":
        """One query."""
        names = ("pk", "number", "parent_id", "from_seq", "from_step")
        return cls(
            Node(pk=pk, number=number, parent=parent, from_seq=from_seq, from_step=from_step)
            for pk, number, parent, from_seq, from_step in Run.objects.filter(session=session_id).values_list(*names)
        )

    def keys(self) -> list[int]:
        return list(self._nodes)

    def __getitem__(self, pk: int) -> Node:
        return self._nodes[pk]

    def head_of(self, session: ChatSession) -> int | None:
        """The run at the end of the branch that people look at."""
        if session.head_id is not None:
            return session.head_id
        newest = max(self._nodes.values(), key=lambda node: node.number, default=None)
        return newest.pk if newest else None

    def numbered(self, number: int) -> Node | None:
        return next((node for node in self._nodes.values() if node.number == number), None)

    # --- what belongs together -------------------------------------------------------------------------------------

    def branch(self, pk: int | None) -> list[Part]:
        """What leads to a run, from the first run on, the run itself included."""
        parts: list[Part] = []
        before: int | None = None
        while pk is not None and (node := self._nodes.get(pk)) is not None:
            parts.append(Part(node=node, before=before))
            # A point may lie before the one of the run that it is in, in what that run has inherited.
            is_earlier = before is not None and node.from_seq is not None and before < node.from_seq
            before, pk = before if is_earlier else node.from_seq, node.parent
        return parts[::-1]

    def life(self, pk: int) -> list[Part]:
        """Of what leads to a run: the runs whose life it goes on with. The first simply followed; it is the last."""
        parts: list[Part] = []
        steps: int | None = None
        for part in reversed(self.branch(pk)):
            parts.append(Part(node=part.node, before=part.before, steps=steps))
            if part.node.from_seq is None:
                break
            steps = part.node.from_step if steps is None else min(part.node.from_step, steps)
        return parts[::-1]

    def condition(self, pk: int | None) -> Q:
        """Which events (rows of `Event`, of this chat session) the branch shows that ends in this run.

        What belongs to no run is in every branch. Nothing at all is asked of a chat that has one branch.
        """
        parts = self.branch(pk)
        inside = {part.node.pk for part in parts}
        hidden = [pk for pk in self._nodes if pk not in inside]
        condition = ~Q(run_id__in=hidden) if hidden else Q()
        for part in parts:
            if part.before is not None:
                condition &= ~Q(run_id=part.node.pk, seq__gte=part.before)
        return condition

    # --- where branches part ---------------------------------------------------------------------------------------

    def points(self, head: int | None) -> list[tuple[int, Node]]:
        """Where something parted from the branch that ends in `head`: the first event that is not shared, and whose."""
        found: set[tuple[int, int]] = set()
        for part in self.branch(head):
            for child in self._children.get(part.node.pk, ()):
                if child.from_seq is not None and (part.before is None or child.from_seq <= part.before):
                    found.add((child.from_seq, part.node.pk))
        return [(seq, self._nodes[pk]) for seq, pk in sorted(found)]

    def ways(self, node: Node, seq: int, said: Said) -> list[Way]:
        """The ways on from a point of a run, the oldest first; `said` as `messages_of` gives it.

        A run that parts again before it has said a word parts at the same place, as people see it. What says nothing is
        no way.
        """
        ways = list(self._own_ways(node, seq, said))
        for child in self._children.get(node.pk, ()):
            if child.from_seq == seq:
                ways += self._own_ways(child, -1, said)
        return ways

    def _own_ways(self, node: Node, after: int, said: Said) -> Iterator[Way]:
        first = next((seq for seq in said.get(node.pk, ()) if seq >= after), None)
        again = {
            child.from_seq
            for child in self._children.get(node.pk, ())
            if child.from_seq is not None and child.from_seq > after and (first is None or child.from_seq <= first)
        }
        if again:
            yield from self.ways(node, min(again), said)
        elif first is not None or any(each.pk in said for each in self._after(node, after)):
            yield Way(node=node, after=after)

    def _after(self, node: Node, after: int) -> Iterator[Node]:
        """All runs that lead on from what is left of a run."""
        to_look_at = [
            each for each in self._children.get(node.pk, ()) if each.from_seq is None or each.from_seq > after
        ]
        while to_look_at:
            each = to_look_at.pop()
            yield each
            to_look_at += self._children.get(each.pk, ())

    def last_of(self, way: Way) -> Node:
        """The last run of the newest branch that goes this way."""
        return max([way.node, *self._after(way.node, way.after)], key=lambda node: node.number)

    def leads_to(self, way: Way, head: int | None) -> bool:
        """Whether the branch that ends in `head` goes this way."""
        if head == way.node.pk:
            return True
        return any(each.pk == head for each in self._after(way.node, way.after))

    def end_of(self, node: Node) -> Node:
        """The last of the runs that simply follow."""
        while following := [child for child in self._children.get(node.pk, ()) if child.from_seq is None]:
            node = following[-1]
        return node


def events_of(session: ChatSession, *, head: int | None = None, up_to: int | None = None) -> QuerySet[Event]:
    """The events of one branch, in order: of the one that people look at, or that ends in the run `head` (its key).

    `up_to` is the last of them. Two queries, this one's included.
    """
    tree = Tree.of(session.pk)
    condition = tree.condition(tree.head_of(session) if head is None else head)
    events = Event.objects.filter(condition, session=session).order_by("seq")
    return events if up_to is None else events.filter(seq__lte=up_to)


# --- journals -------------------------------------------------------------------------------------------------------


class Life:
    """What is known of a run when it goes on: its journal and what it has told, those of the runs before it included.

    `steps` are the recorded ones, by number. `again` are the numbers of those that failed in the end of an earlier run,
    and are to be made again: nothing of them is in `steps`.
    """

    def __init__(self, tree: Tree, run_pk: int) -> None:
        self.parts = tree.life(run_pk)
        self.steps: dict[int, Step] = {}
        self.again: set[int] = set()
        recorded: dict[int, list[Step]] = {}
        for step in Step.objects.filter(run__in=[part.node.pk for part in self.parts]):
            recorded.setdefault(step.run_id, []).append(step)
        for part in self.parts:
            if part.node.from_seq is not None:
                self._part_from(part.node)
            own = {step.number: step for step in recorded.get(part.node.pk, ())}
            self.steps |= own
            self.again -= own.keys()

    def _part_from(self, node: Node) -> None:
        failed = set(failed_in_the_end(self.steps))
        self.again = {number for number in self.again | failed if number <= node.from_step}
        self.steps = {n: step for n, step in self.steps.items() if n <= node.from_step and n not in failed}

    @property
    def lost_passwords(self) -> list[int]:
        """The steps that asked for a password: it is erased when a run ends, and cannot be read again."""
        return [number for number, step in self.steps.items() if step.result == ERASED]

    @cached_property
    def told(self) -> Q:
        """Which events were told in it, those of the runs before it as far as it shares them."""
        condition = Q()
        for part in self.parts:
            own = Q(run_id=part.node.pk)
            condition |= own if part.before is None else own & Q(seq__lt=part.before)
        return condition

    def inherited(self) -> Iterator[Event]:
        """The facts of earlier runs that this one has told, as it were: it tells none of them again.

        Those of its steps, and the question whose answer was edited.
        """
        if len(self.parts) == 1:
            return
        known = {part.node.pk: part for part in self.parts[:-1]}
        last = self.parts[-1].node.from_step
        events = Event.objects.filter(
            run__in=known, seq__lt=self.parts[-1].node.from_seq, step_number__lte=last + 1, step_number__isnull=False
        )
        for event in events.defer("session").order_by("seq"):
            part = known[event.run_id or 0]
            step = event.step_number or 0
            is_its = step <= (last if part.steps is None else part.steps)
            if part.shows(event.seq) and (is_its or (step == last + 1 and event.ordinal == 0)):
                yield event


def failed_in_the_end(steps: dict[int, Step]) -> Iterator[int]:
    """The steps that failed and after which no other began: what ended their run.

    One that failed and was followed by others was caught by the agent function, which went another way.
    """
    for number, step in steps.items():
        if step.status == Step.Status.FAILED and step.done_at is not None:
            later = (each for n, each in steps.items() if n > number)
            if not any(each.started_at >= step.done_at for each in later):
                yield number


def messages_of(run_pks: Iterable[int]) -> Said:
    """The numbers of what these runs say, in order, by the run's key; nothing for those that say nothing."""
    starts = Event.objects.filter(run__in=list(run_pks), type=TextMessageStart.type)
    said: dict[int, list[int]] = {}
    for run, seq in starts.order_by("seq").values_list("run", "seq"):
        said.setdefault(run or 0, []).append(seq)
    return said
