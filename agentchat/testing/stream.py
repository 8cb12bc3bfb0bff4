"""A stream that records its output, and takes its input from a list."""

from collections.abc import Iterable, Sequence
from typing import Any

from agentchat.core.file_events import FileSent
from agentchat.core.files import File, MessageText
from agentchat.events import ChatEvent, TextMessage, TextMessageEnd
from agentchat.io.base import IOStream, check_addressee

Answer = str | tuple[str, Sequence[File]]


class RecordingStream(IOStream):
    """Collects prints in `printed` and events in `events`, and answers each `input()` with the next of `answers`.

        stream = RecordingStream("How is Paris?")
        with IOStream.set_default(stream):
            weather(stream)
        assert stream.messages == [("chatbot", "Sunny.")]

    An answer with files is a tuple: `("What is this?", [File("a.png", data)])`. An `input()` without an answer fails
    the test.
    """

    def __init__(self, *answers: Answer) -> None:
        self.events: list[ChatEvent] = []
        self.printed = ""
        self.prompts: list[str] = []
        self._answers = list(answers)

    def answer(self, *answers: Answer) -> None:
        """Add more answers."""
        self._answers.extend(answers)

    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
        self.printed += sep.join(map(str, objects)) + end

    def input(
        self, prompt: str = "", *, password: bool = False, name: str | None = None, **addressee: Any
    ) -> MessageText:
        check_addressee(**addressee)
        self.prompts.append(prompt)
        if not self._answers:
            raise AssertionError(f"nothing is left to answer {prompt!r} with")
        given = self._answers.pop(0)
        answer = MessageText(given) if isinstance(given, str) else MessageText(*given)
        if not password:
            self.remember("user", answer)
        return answer

    def send(self, event: ChatEvent) -> None:
        self.events.append(event)

    @property
    def messages(self) -> list[tuple[str, str]]:
        """The messages as (name, content)."""
        return [(event.name, event.content) for event in self.events_of(TextMessage, TextMessageEnd)]

    def events_of(self, *kinds: type[ChatEvent]) -> list[Any]:
        """The events of these kinds, in their order."""
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def sent_files(self) -> list[File]:
        """The files that were sent, in their order."""
        sent = [self.find_file(reference) for event in self.events_of(FileSent) for reference in event.files]
        return [file for file in sent if file is not None]

    @property
    def types(self) -> list[str]:
        """The events' names on the wire, in their order, without events that have none."""
        return _names(self.events)


def _names(events: Iterable[ChatEvent]) -> list[str]:
    return [event.type for event in events if event.type]
