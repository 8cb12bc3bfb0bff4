"""`iostream.state` as AG-UI's events: a snapshot first in each stream, and then what has changed, as JSON Patch.

A stream that is resumed begins with a snapshot again. So these events need no positions of their own.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from agentchat.models import ChatSession, Step
from agentchat.programs.agui.snapshots import state_of


@dataclass
class StateEvents:
    """What the client of one stream knows of the state. Synchronous, in a thread for reading."""

    session_id: UUID
    _known: dict[str, Any] | None = None
    _version: tuple[int | None, int] | None = None

    def news(self) -> dict[str, Any] | None:
        """What has been recorded since it was last asked for. Two queries if nothing has."""
        head = ChatSession.objects.values_list("head_id", flat=True).get(pk=self.session_id)
        version = head, Step.objects.filter(run=head, state__isnull=False).count()
        if version == self._version:
            return None
        state = state_of(self.session_id)
        event = self._event(state)
        self._version, self._known = version, state if event is not None else self._known
        return event

    def last(self, *, whole: bool) -> dict[str, Any] | None:
        """The same at the end of the run, however often it is asked; `whole`: a snapshot whether or not it changed."""
        return self._event(state_of(self.session_id), whole=whole)

    def _event(self, state: dict[str, Any], *, whole: bool = False) -> dict[str, Any] | None:
        if self._known is None and not state:
            return None  # an agent that keeps none leaves the client its own
        if self._known is None or whole:
            return {"type": "STATE_SNAPSHOT", "snapshot": state}
        changes = list(_changes(self._known, state, ""))
        return {"type": "STATE_DELTA", "delta": changes} if changes else None


def _changes(old: Any, new: Any, path: str) -> Iterator[dict[str, Any]]:
    """The operations of JSON Patch (RFC 6902) that make `new` of `old`. Lists only grow, or are replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() - new.keys():
            yield {"op": "remove", "path": _below(path, key)}
        for key, value in new.items():
            if key in old:
                yield from _changes(old[key], value, _below(path, key))
            else:
                yield {"op": "add", "path": _below(path, key), "value": value}
    elif isinstance(old, list) and isinstance(new, list) and old and _is_same(old, new[: len(old)]):
        for value in new[len(old) :]:
            yield {"op": "add", "path": f"{path}/-", "value": value}
    elif not _is_same(old, new):
        yield {"op": "replace", "path": path, "value": new}


def _below(path: str, key: str) -> str:
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"


def _is_same(one: Any, other: Any) -> bool:
    """As JSON: for Python, 1 is True, and 1.0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
