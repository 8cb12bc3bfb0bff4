"""A stream that remembers what was said on it, and answers from a list."""

from collections.abc import Iterable
from typing import Any

from agentchat.events import Event, TextMessage, TextMessageEnd
from agentchat.io.base import IOStream


class RecordingStream(IOStream):
    """Prints into `printed`, takes events into `events`, and answers each `input()` with the next of `answers`.

        stream = RecordingStream("How is Paris?")
        with IOStream.set_default(stream):
            weather(stream)
        assert stream.messages == [("chatbot", "Sunny.")]

    An `input()` more than there are answers fails the test.
    """

    def __init__(self, *answers: str) -> None:
        self.events: list[Event] = []
        self.printed = ""
        self.prompts: list[str] = []
        self._answers = list(answers)

    def answer(self, *answers: str) -> None:
        """Have more answers ready."""
        self._answers.extend(answers)

    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
        self.printed += sep.join(map(str, objects)) + end

    def input(self, prompt: str = "", *, password: bool = False) -> str:
        self.prompts.append(prompt)
        if not self._answers:
            raise AssertionError(f"nothing is left to answer {prompt!r} with")
        return self._answers.pop(0)

    def send(self, event: Event) -> None:
        self.events.append(event)

    @property
    def messages(self) -> list[tuple[str, str]]:
        """Who said what, message by message."""
        return [(event.name, event.content) for event in self.events_of(TextMessage, TextMessageEnd)]

    def events_of(self, *kinds: type[Event]) -> list[Any]:
        """The events of these kinds, in their order."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def types(self) -> list[str]:
        """The events' names on the wire, in their order; events that never get there are left out."""
        return _names(self.events)


def _names(events: Iterable[Event]) -> list[str]:
    return [event.type for event in events if event.type]
