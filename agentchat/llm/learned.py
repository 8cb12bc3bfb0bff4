"""What this process has learned of services while it asked them: by address and model, for as long as it lives."""

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_SERVICES = 256  # what is learned of the oldest is forgotten, and learned again


class Learned(Generic[T]):
    """One thing to know of each service. From any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], T] = OrderedDict()

    def of(self, base_url: str, model: str) -> T | None:
        return self._known.get((base_url, model))

    def learn(self, base_url: str, model: str, what: T) -> None:
        self._known[base_url, model] = what
        while len(self._known) > MAX_SERVICES:
            self._known.popitem(last=False)

    def forget(self) -> None:
        self._known.clear()
