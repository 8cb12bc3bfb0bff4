"""The ratings of messages, and the versions from which the user can choose where branches fork.

Adds them to the items of a transcript, for the chat page.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agentchat.models import ChatSession, Event
from agentchat.presentation.items import Item, Message, NestedChats
from agentchat.runs.branching.tree import Tree, messages_of


@dataclass(frozen=True, kw_only=True)
class Versions:
    """The alternatives at a fork, by the number of the last run of each; one of them is shown."""

    runs: list[int]
    number: int  # of the one shown, from 1

    @property
    def total(self) -> int:
        return len(self.runs)

    @property
    def previous(self) -> int | None:
        return self.runs[self.number - 2] if self.number > 1 else None

    @property
    def next(self) -> int | None:
        return self.runs[self.number] if self.number < self.total else None


def add(
    items: Iterable[Item], session: ChatSession, tree: Tree, *, is_rated: bool = True, since: int = 0
) -> Versions | None:
    """Add their ratings and versions to the messages among these items, which are shown from the event `since` on.

    Return the versions at a fork that no message has followed yet. One query if any message `is_rated`, and one or two
    if there are branches.
    """
    messages = [each for each in _messages(items) if not each.writing]
    if is_rated:
        ratings = {each.message_id: each for each in session.feedback.all()}
        for message in messages:
            message.feedback = ratings.get(message.id)
    return _add_versions(messages, session, tree, since)


def _add_versions(messages: list[Message], session: ChatSession, tree: Tree, since: int) -> Versions | None:
    head = tree.head_of(session)
    points = tree.fork_points(head)
    if not points:
        return None
    message_index = messages_of(tree.keys())
    shown = sorted((message.seq, index) for index, message in enumerate(messages))
    remaining: Versions | None = None
    for seq, node in points:
        if seq < since and _has_messages_between(session, tree, seq, since):
            continue  # it is before the page
        alternatives = tree.alternatives(node, seq, message_index)
        runs = [tree.last_of(each).number for each in alternatives]
        number = next((number for number, each in enumerate(alternatives, 1) if tree.leads_to(each, head)), None)
        if number is None:
            # The branch shown has no message yet.
            runs.append(tree[head or 0].number)
            number = len(runs)
        if len(runs) < 2:
            continue
        versions = Versions(runs=runs, number=number)
        first = next((index for at, index in shown if at >= seq), None)
        if first is None:
            remaining = remaining or versions
        elif messages[first].versions is None:
            messages[first].versions = versions
    return remaining


def _has_messages_between(session: ChatSession, tree: Tree, seq: int, before: int) -> bool:
    condition = tree.condition(tree.head_of(session))
    between = Event.objects.filter(condition, session=session, seq__gte=seq, seq__lt=before)
    return between.filter(type="TEXT_MESSAGE_START").exists()


def _messages(items: Iterable[Item]) -> Iterator[Message]:
    for item in items:
        if isinstance(item, Message):
            yield item
        elif isinstance(item, NestedChats):
            yield from _messages(item.items)
