"""What an agent function keeps between its messages: `iostream.state`, a dict of JSON values.

A run records how each of its steps has changed the dict, and makes the same changes again when the function is called
from the top (`agentchat.runs.state`). Here is the dict alone: what has changed in it, and how a change is applied.
"""

import json
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypedDict

from agentchat.errors import ConfigError

MAX_STATE_BYTES = 64 * 1024  # of its JSON in UTF-8


class StateChange(TypedDict):
    """How a step has changed the state. `order` tells apart the changes of steps that were made at the same time."""

    order: int
    set: dict[str, Any]
    unset: list[str]


class State:
    """A dict that an agent function changes as it likes, and what of it is recorded. From any thread."""

    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value
        self._recorded = _written(value)
        self._before = self._recorded
        self._order = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        """A step begins: what it undoes of what the function has written since the last one is a change, too."""
        with self._lock, suppress(ConfigError):
            self._before = _written(self.value)

    def take_change(self) -> StateChange | None:
        """What has changed since the last change was taken or applied, and since the step began; None for nothing.

        Raise ConfigError if the state is no JSON, or too long, and again until that is mended.
        """
        with self._lock:
            now = _written(self.value)
            known = (self._recorded, self._before)
            changed = {key: json.loads(text) for key, text in now.items() if any(o.get(key) != text for o in known)}
            unset = [key for key in {**self._recorded, **self._before} if key not in now]
            self._recorded = self._before = now
            if not changed and not unset:
                return None
            self._order += 1
            return StateChange(order=self._order, set=changed, unset=unset)

    @property
    def recorded(self) -> dict[str, Any]:
        """The state as it was when a change was last taken or applied."""
        return {key: json.loads(text) for key, text in self._recorded.items()}

    def apply(self, change: StateChange) -> None:
        """Change the state as a step has changed it. Lists and dicts stay the objects that the function may hold."""
        with self._lock:
            for key in change["unset"]:
                self.value.pop(key, None)
            for key, new in change["set"].items():
                self.value[key] = _merged(self.value.get(key), new)
            self._recorded = self._before = _written(self.value)
            self._order = max(self._order, change["order"])


def replace_entries(state: dict[str, Any], value: Mapping[str, Any]) -> None:
    """For `iostream.state = value`, and `|=`: the dict stays the one that others may hold."""
    entries = dict(value)
    state.clear()
    state.update(entries)


def _written(value: Mapping[str, Any]) -> dict[str, str]:
    """The JSON of each entry."""
    written = {}
    for key, entry in list(value.items()):
        try:
            text = json.dumps(entry, allow_nan=False, ensure_ascii=False)
            is_json = isinstance(key, str) and json.loads(text) == entry
        except (TypeError, ValueError, RecursionError):
            is_json = False
        if not is_json:
            raise ConfigError(
                f"iostream.state[{key!r}] is {entry!r:.200}, and only JSON can be kept: texts, numbers, booleans, "
                f"None, lists, and dicts whose keys are texts"
            )
        written[key] = text
    size = sum(len(f"{key}{text}".encode("utf-8", "replace")) for key, text in written.items())
    if size > MAX_STATE_BYTES:
        raise ConfigError(
            f"iostream.state has {size:,} bytes, and at most {MAX_STATE_BYTES:,} are kept: keep large things in a "
            f"table of yours or a file, and their keys in the state"
        )
    return written


def _merged(old: Any, new: Any) -> Any:
    """`new`, in the object that was there before if it is of the same kind."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [key for key in old if key not in new]:
            del old[key]
        for key, entry in new.items():
            old[key] = _merged(old.get(key), entry)
        return old
    if isinstance(old, list) and isinstance(new, list):
        old[:] = [_merged(old[i] if i < len(old) else None, entry) for i, entry in enumerate(new)]
        return old
    return new
