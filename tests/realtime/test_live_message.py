"""A message that is being written is rendered in a thread, piece by piece, and its watchers are woken."""

import asyncio
import threading

import pytest

from agentchat.markup.streaming import StreamedMarkdown
from agentchat.realtime.live_message import PIECE, LiveMessage


class Watcher:
    def __init__(self):
        self.woken = asyncio.Event()

    def wake(self):
        self.woken.set()


@pytest.fixture
async def message():
    message = LiveMessage("m", 1)
    message.watcher = Watcher()
    message.watchers.add(message.watcher)
    return message


@pytest.fixture
def fed(monkeypatch):
    """What is rendered, with its thread."""
    pieces = []

    def feed(self, delta, feed=StreamedMarkdown.feed):
        pieces.append((len(delta), threading.current_thread()))
        return feed(self, delta)

    monkeypatch.setattr(StreamedMarkdown, "feed", feed)
    return pieces


async def blocks_of(message, count):
    while len(message.blocks()) < count:
        await asyncio.wait_for(message.watcher.woken.wait(), 60)
        message.watcher.woken.clear()
    return message.blocks()


async def test_nothing_is_rendered_on_the_loop(message, fed):
    message.write("One.\n\nTwo.\n\nThr")
    assert message.blocks() == []
    assert [block.html for block in await blocks_of(message, 2)] == ["<p>One.</p>\n", "<p>Two.</p>\n"]
    assert fed
    assert threading.current_thread() not in [thread for _, thread in fed]


async def test_a_line_that_is_not_complete_is_not_rendered(message, fed):
    message.write("One")
    message.write(" and more")
    assert message.blocks() == []
    assert fed == []


async def test_a_long_text_is_rendered_in_pieces(message, fed):
    message.write("A line.\n\n" * (3 * PIECE // 9))
    await blocks_of(message, 3 * PIECE // 9 - 1)
    assert len(fed) == 3
    assert max(size for size, _ in fed) == PIECE


async def test_what_was_rendered_of_an_earlier_attempt_is_dropped(message):
    message.write("Once.\n\n")
    message.blocks()
    message.restart(2)
    message.write("Again.\n\n")
    assert [block.html for block in await blocks_of(message, 1)] == ["<p>Again.</p>\n"]


async def test_a_message_that_cannot_be_rendered_keeps_its_text(message, monkeypatch, caplog):
    def fail(self, delta):
        raise ValueError("no lexer of mine")

    monkeypatch.setattr(StreamedMarkdown, "feed", fail)
    message.write("One.\n\n")
    message.blocks()
    async with asyncio.timeout(60):
        while "cannot be rendered" not in caplog.text:
            await asyncio.sleep(0)
    message.write("Two.\n\n")
    assert message.blocks() == []
    assert message.open_block_due() is None
    assert message.text == "One.\n\nTwo.\n\n"
