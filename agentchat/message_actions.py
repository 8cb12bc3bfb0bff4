"""What a person can do about what was said: which messages were rated, and where branches part.

Adds to the items of a transcript what their templates show. For the chat page; others leave it out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agentchat.models import ChatSession, Event
from agentchat.runs.branches import Tree, messages_of
from agentchat.transcript import Item, Message, NestedChats


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The ways on from a point, by the number of the last run of each; people look at one of them."""

    runs: list[int]
    place: int  # from 1

    @property
    def total(self) -> int:
        return len(self.runs)

    @property
    def previous(self) -> int | None:
        return self.runs[self.place - 2] if self.place > 1 else None

    @property
    def next(self) -> int | None:
        return self.runs[self.place] if self.place < self.total else None


def add(
    items: Iterable[Item], session: ChatSession, tree: Tree, *, is_rated: bool = True, since: int = 0
) -> Versions | None:
    """Tell the messages among these items, which are shown from the event `since` on, their ratings and versions.

    Return the versions of a point that no message has followed yet. One query if anything `is_rated`, and one or two
    where branches part.
    """
    messages = [each for each in _messages(items) if not each.writing]
    if is_rated:
        ratings = {each.message_id: each for each in session.feedback.all()}
        for message in messages:
            message.feedback = ratings.get(message.id)
    return _add_versions(messages, session, tree, since)


def _add_versions(messages: list[Message], session: ChatSession, tree: Tree, since: int) -> Versions | None:
    head = tree.head_of(session)
    points = tree.points(head)
    if not points:
        return None
    said = messages_of(tree.keys())
    shown = sorted((message.seq, index) for index, message in enumerate(messages))
    left: Versions | None = None
    for seq, node in points:
        if seq < since and _something_was_said(session, tree, seq, since):
            continue  # it lies before what is shown
        ways = tree.ways(node, seq, said)
        place = next((index for index, way in enumerate(ways, 1) if tree.leads_to(way, head)), None)
        if place is None:
            # What people look at has not said a word yet.
            ways = [*ways, None]
            place = len(ways)
        if len(ways) < 2:
            continue
        runs = [tree.last_of(way).number if way else tree[head or 0].number for way in ways]
        versions = Versions(runs=runs, place=place)
        first = next((index for at, index in shown if at >= seq), None)
        if first is None:
            left = left or versions
        elif messages[first].versions is None:
            messages[first].versions = versions
    return left


def _something_was_said(session: ChatSession, tree: Tree, seq: int, before: int) -> bool:
    condition = tree.condition(tree.head_of(session))
    between = Event.objects.filter(condition, session=session, seq__gte=seq, seq__lt=before)
    return between.filter(type="TEXT_MESSAGE_START").exists()


def _messages(items: Iterable[Item]) -> Iterator[Message]:
    for item in items:
        if isinstance(item, Message):
            yield item
        elif isinstance(item, NestedChats):
            yield from _messages(item.items)
