"""Which stream is the default, and what a stream gets of an event."""

import contextvars
import threading

import pytest

from agentchat.events import Printed, TextMessage
from agentchat.io import InputStream, IOConsole, IOStream, OutputStream
from agentchat.io.base import send_to


class TextOnly:
    """A stream that somebody wrote without knowing of ours."""

    def __init__(self):
        self.text = ""

    def print(self, *objects, sep=" ", end="\n", flush=False):
        self.text += sep.join(map(str, objects)) + end

    def input(self, prompt="", *, password=False):
        return "words"


class Knowing(TextOnly):
    """A stream that takes events as values."""

    def __init__(self):
        super().__init__()
        self.events = []

    def send(self, event):
        self.events.append(event)


class Subclass(IOStream):
    """A stream that has `send` for nothing."""

    def __init__(self):
        self.text = ""

    def print(self, *objects, sep=" ", end="\n", flush=False):
        self.text += sep.join(map(str, objects)) + end

    def input(self, prompt="", *, password=False):
        return "words"


def test_the_console_is_the_default_of_the_process():
    assert isinstance(IOStream.get_global_default(), IOConsole)
    assert IOStream.get_default() is IOStream.get_global_default()


def test_set_default_lasts_as_long_as_its_block():
    outer, inner = Subclass(), Subclass()
    with IOStream.set_default(outer):
        with IOStream.set_default(inner):
            assert IOStream.get_default() is inner
        assert IOStream.get_default() is outer
    assert isinstance(IOStream.get_default(), IOConsole)


def test_set_default_is_undone_by_an_error_too():
    with pytest.raises(ZeroDivisionError), IOStream.set_default(Subclass()):
        _ = 1 / 0
    assert isinstance(IOStream.get_default(), IOConsole)


def test_set_default_of_none_gives_the_default_of_the_process_back():
    with IOStream.set_default(Subclass()), IOStream.set_default(None):
        assert isinstance(IOStream.get_default(), IOConsole)


def test_set_global_default_reaches_every_context_without_a_default():
    console, stream = IOStream.get_global_default(), Subclass()
    IOStream.set_global_default(stream)
    try:
        assert IOStream.get_default() is stream
    finally:
        IOStream.set_global_default(console)


@pytest.mark.parametrize("inherits", [False, True])
def test_a_thread_has_the_default_only_in_a_copy_of_the_context(inherits):
    stream, seen = Subclass(), []
    with IOStream.set_default(stream):
        context = contextvars.copy_context() if inherits else contextvars.Context()
        thread = threading.Thread(target=lambda: context.run(lambda: seen.append(IOStream.get_default() is stream)))
        thread.start()
        thread.join()
    assert seen == [inherits]


def test_print_and_input_are_all_that_a_stream_needs():
    stream = TextOnly()
    assert isinstance(stream, OutputStream)
    assert isinstance(stream, InputStream)
    assert not isinstance(object(), OutputStream)
    send_to(stream, TextMessage(name="a", to="b", content="hello"))
    assert stream.text.startswith("a (to b):\n\nhello\n")


def test_a_stream_with_a_send_of_its_own_gets_the_event():
    stream, event = Knowing(), Printed(text="hello")
    send_to(stream, event)
    assert stream.events == [event]
    assert stream.text == ""


def test_a_subclass_prints_what_is_sent():
    stream = Subclass()
    stream.send(Printed(text="hello\n"))
    assert stream.text == "hello\n"
    assert isinstance(stream, IOStream)
