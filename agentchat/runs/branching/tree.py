"""The tree of runs: which events a branch shows, what a run's journal begins with, and where branches part.

A run that simply follows has no `from_seq`: all of its parent's branch comes before it. A run that was made by "try
again" or "edit" forks from its parent at `from_seq`: of the parent's branch only the events before that come before it,
and it inherits the steps up to `from_step`. Nothing is copied for that; the functions here say what belongs together.

Reads one small row of each run, once, and works on these. Writes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from agentchat.events import TextMessageStart
from agentchat.models import ChatSession, Event, Run

MessageIndex = Mapping[int, Sequence[int]]  # the numbers of the messages of each run, by its key


@dataclass(frozen=True, kw_only=True)
class RunNode:
    """A run, as far as the tree knows it."""

    pk: int
    number: int
    parent: int | None
    from_seq: int | None
    from_step: int


@dataclass(frozen=True, kw_only=True)
class BranchSegment:
    """A run in a branch: of its events those before `before`, or all; of its steps those up to `steps`, or all."""

    node: RunNode
    before: int | None = None
    steps: int | None = None

    def shows(self, seq: int) -> bool:
        return self.before is None or seq < self.before


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """One of several continuations of a fork: a run, or what is left of it after `after`."""

    node: RunNode
    after: int = -1


class Tree:
    """The runs of one chat session."""

    def __init__(self, nodes: Iterable[RunNode]) -> None:
        self._nodes = {node.pk: node for node in nodes}
        self._children: dict[int | None, list[RunNode]] = {}
        for node in sorted(self._nodes.values(), key=lambda node: node.number):
            self._children.setdefault(node.parent, []).append(node)

    @classmethod
    def of(cls, session_id: UUID) -> "Tree":
        """One query."""
        names = ("pk", "number", "parent_id", "from_seq", "from_step")
        return cls(
            RunNode(pk=pk, number=number, parent=parent, from_seq=from_seq, from_step=from_step)
            for pk, number, parent, from_seq, from_step in Run.objects.filter(session=session_id).values_list(*names)
        )

    def keys(self) -> list[int]:
        return list(self._nodes)

    def __getitem__(self, pk: int) -> RunNode:
        return self._nodes[pk]

    def head_of(self, session: ChatSession) -> int | None:
        """The run at the end of the branch that pages show."""
        if session.head_id in self._nodes:
            return session.head_id
        newest = max(self._nodes.values(), key=lambda node: node.number, default=None)
        return newest.pk if newest else None

    def numbered(self, number: int) -> RunNode | None:
        return next((node for node in self._nodes.values() if node.number == number), None)

    # --- what belongs together -------------------------------------------------------------------------------------

    def branch(self, pk: int | None) -> list[BranchSegment]:
        """What leads to a run, from the first run on, the run itself included."""
        segments: list[BranchSegment] = []
        before: int | None = None
        left = dict(self._nodes)  # each run is in a branch once, even if its parents are a circle
        while pk is not None and (node := left.pop(pk, None)) is not None:
            segments.append(BranchSegment(node=node, before=before))
            # A fork point may lie before that of the run that it is in, among what that run has inherited.
            is_earlier = before is not None and node.from_seq is not None and before < node.from_seq
            before, pk = before if is_earlier else node.from_seq, node.parent
        return segments[::-1]

    def lineage(self, pk: int) -> list[BranchSegment]:
        """The runs whose journals a run continues, itself included: from the last one that simply followed to it."""
        segments: list[BranchSegment] = []
        steps: int | None = None
        for segment in reversed(self.branch(pk)):
            segments.append(BranchSegment(node=segment.node, before=segment.before, steps=steps))
            if segment.node.from_seq is None:
                break
            steps = segment.node.from_step if steps is None else min(segment.node.from_step, steps)
        return segments[::-1]

    def condition(self, pk: int | None) -> Q:
        """Which events (rows of `Event`, of this chat session) the branch shows that ends in this run.

        An event of no run is in every branch. For a chat with a single branch the condition is empty.
        """
        segments = self.branch(pk)
        inside = {segment.node.pk for segment in segments}
        hidden = [pk for pk in self._nodes if pk not in inside]
        condition = ~Q(run_id__in=hidden) if hidden else Q()
        for segment in segments:
            if segment.before is not None:
                condition &= ~Q(run_id=segment.node.pk, seq__gte=segment.before)
        return condition

    # --- where branches part ---------------------------------------------------------------------------------------

    def fork_points(self, head: int | None) -> list[tuple[int, RunNode]]:
        """Where other branches leave the one that ends in `head`: the first event that is not shared, and its run."""
        found: set[tuple[int, int]] = set()
        for segment in self.branch(head):
            for child in self._children.get(segment.node.pk, ()):
                if child.from_seq is not None and (segment.before is None or child.from_seq <= segment.before):
                    found.add((child.from_seq, segment.node.pk))
        return [(seq, self._nodes[pk]) for seq, pk in sorted(found)]

    def alternatives(self, node: RunNode, seq: int, messages: MessageIndex) -> list[Alternative]:
        """The continuations of a run from this event on, the oldest first; `messages` as `messages_of` returns it.

        To users, a run that forks again before its first message forks at the same place. A continuation without a
        message is none.
        """
        found = list(self._own_alternatives(node, seq, messages))
        for child in self._children.get(node.pk, ()):
            if child.from_seq == seq:
                found += self._own_alternatives(child, -1, messages)
        return found

    def _own_alternatives(self, node: RunNode, after: int, messages: MessageIndex) -> Iterator[Alternative]:
        first = next((seq for seq in messages.get(node.pk, ()) if seq >= after), None)
        forks = {
            child.from_seq
            for child in self._children.get(node.pk, ())
            if child.from_seq is not None and child.from_seq > after and (first is None or child.from_seq <= first)
        }
        if forks:
            yield from self.alternatives(node, min(forks), messages)
        elif first is not None or any(each.pk in messages for each in self._descendants(node, after)):
            yield Alternative(node=node, after=after)

    def _descendants(self, node: RunNode, after: int) -> Iterator[RunNode]:
        """All runs that lead on from what is left of a run after this event."""
        pending = [each for each in self._children.get(node.pk, ()) if each.from_seq is None or each.from_seq > after]
        known = {node.pk}
        while pending:
            each = pending.pop()
            if each.pk not in known:
                known.add(each.pk)
                yield each
                pending += self._children.get(each.pk, ())

    def last_of(self, alternative: Alternative) -> RunNode:
        """The last run of the newest branch that this continuation leads to."""
        descendants = self._descendants(alternative.node, alternative.after)
        return max([alternative.node, *descendants], key=lambda node: node.number)

    def leads_to(self, alternative: Alternative, head: int | None) -> bool:
        """Whether the branch that ends in `head` takes this continuation."""
        if head == alternative.node.pk:
            return True
        return any(each.pk == head for each in self._descendants(alternative.node, alternative.after))

    def end_of(self, node: RunNode) -> RunNode:
        """The last of the runs that simply follow."""
        while following := [child for child in self._children.get(node.pk, ()) if child.from_seq is None]:
            if following[-1].number <= node.number:
                break  # a circle
            node = following[-1]
        return node


def events_of(session: ChatSession, *, head: int | None = None, up_to: int | None = None) -> QuerySet[Event]:
    """The events of one branch, in order: of the one that pages show, or that ends in the run `head` (its key).

    `up_to` is the last of them. Two queries, including this one.
    """
    tree = Tree.of(session.pk)
    condition = tree.condition(tree.head_of(session) if head is None else head)
    events = Event.objects.filter(condition, session=session).order_by("seq")
    return events if up_to is None else events.filter(seq__lte=up_to)


def messages_of(run_pks: Iterable[int]) -> MessageIndex:
    """The numbers of the messages of these runs, in order, by the run's key; runs without messages are left out."""
    starts = Event.objects.filter(run__in=list(run_pks), type=TextMessageStart.type)
    messages: dict[int, list[int]] = {}
    for run, seq in starts.order_by("seq").values_list("run", "seq"):
        messages.setdefault(run or 0, []).append(seq)
    return messages
