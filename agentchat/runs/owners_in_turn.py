"""Whose run is claimed next, where several wait for room: accounts and guests take turns, and so do owners.

However many runs or guests wait, another owner's run is among the next ones.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator

from agentchat import conf
from agentchat.models import Run

Owner = tuple[int | None, str]
"""An account's key, or None and a guest's key."""


def owner_of(run: Run) -> Owner:
    """Whose run it is. Its chat session is read, if it has not been."""
    return run.session.owner_id, run.session.guest_key


def in_turn(runs: Iterable[Run], running: Counter[Owner]) -> Iterator[Run]:
    """These runs in the order in which they are claimed, as far as their owners may have so many."""
    of_kind: Counter[bool] = Counter()  # by whether they are guests'
    for (owner_id, _), held_now in running.items():
        of_kind[owner_id is None] += held_now
    queues: dict[Owner, deque[Run]] = {}
    for run in runs:
        queues.setdefault(owner_of(run), deque()).append(run)
    while queues:
        owner = min(queues, key=lambda each: (of_kind[each[0] is None], running[each], queues[each][0].queued_at))
        if running[owner] < conf.app.max_runs_per_owner:
            running[owner] += 1
            of_kind[owner[0] is None] += 1
            yield queues[owner].popleft()
        if running[owner] >= conf.app.max_runs_per_owner or not queues[owner]:
            del queues[owner]
