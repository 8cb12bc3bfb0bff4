"""A message that is being written: its text so far, the Markdown blocks of it that are complete, and the open one.

On the server's event loop, where nothing is rendered: that is done in a thread, a piece of the text at a time, and
those who watch the message are woken when there is more to show. Deltas do not wait for it.
"""

import asyncio
from contextvars import copy_context
from functools import partial
from time import perf_counter
from typing import Protocol
from weakref import WeakSet

from agentchat.core.log import get_logger
from agentchat.infra.fair_queue import OWNER
from agentchat.infra.thread_pool import DaemonPool
from agentchat.markup.blocks import Block
from agentchat.markup.streaming import NO_BLOCK, OpenBlock, StreamedMarkdown
from agentchat.realtime.growing_text import GrowingText

logger = get_logger("agentchat.hub")

PIECE = 16_000  # characters that are rendered before the next message has its turn
RENDER_POOL = DaemonPool("agentchat-render", lambda: 2, shares={OWNER: lambda: 1})

Rendered = tuple[list[Block], OpenBlock | None]


class Watcher(Protocol):
    """Who shows the message."""

    def wake(self) -> None:
        """There is more to show."""


class LiveMessage:
    """One message for all its subscribers. It only grows, or restarts with a higher attempt."""

    is_remote = False  # another process writes it
    received_at = 0.0  # when that process was last heard from, by the loop's clock

    def __init__(self, message_id: str, start_seq: int) -> None:
        self.message_id = message_id
        self.start_seq = start_seq
        self.watchers: WeakSet[Watcher] = WeakSet()
        self.restart(1)

    def restart(self, attempt: int) -> None:
        """The model is asked again: what was shown is to be replaced."""
        self.attempt = attempt
        self.written = GrowingText()
        self.thoughts = GrowingText()  # what the model thinks before it writes …
        self._thinks_since = self._thought_until = 0.0  # … by `time.perf_counter`
        self._blocks: list[Block] = []
        self._open_block = NO_BLOCK
        self._markdown = StreamedMarkdown(self.message_id)
        self._rendering: asyncio.Future[Rendered] | None = None
        self._is_plain = False  # its rendering has failed

    @property
    def text(self) -> str:
        return str(self.written)

    def write(self, delta: str) -> None:
        self.written.write(delta)

    def think(self, delta: str) -> None:
        self._thought_until = perf_counter()
        self._thinks_since = self._thinks_since or self._thought_until
        self.thoughts.write(delta)

    @property
    def thought_ms(self) -> int:
        """Milliseconds from the first of the thoughts to the last one."""
        return round((self._thought_until - self._thinks_since) * 1000)

    def blocks(self) -> list[Block]:
        """The complete blocks, as far as they are rendered. The thoughts are the first one when a text follows."""
        if self.written.has_line or self.written.is_partly_taken:
            self._render()
        return self._blocks

    def open_block(self) -> OpenBlock:
        """The block that is being written, as it was rendered last. Rendered now and then, once for all subscribers."""
        due = self.open_block_due()
        if due is not None and due <= perf_counter():
            self._render(with_open_block=True)
        return self._open_block

    def open_block_due(self) -> float | None:
        """When the open block may be rendered next, by `time.perf_counter`; None if it has not changed."""
        if self._is_plain or self._rendering is not None:
            return None  # its watchers are woken when it is rendered
        return self._markdown.due(has_more=self.written.has_more or self.thoughts.has_more)

    def _render(self, *, with_open_block: bool = False) -> None:
        """Render the next piece of the text, unless one is being rendered."""
        if self._is_plain or self._rendering is not None:
            return
        thoughts = self.thoughts.next_piece(PIECE)
        piece = "" if self.thoughts.has_more else self.written.next_piece(PIECE)
        with_open_block = with_open_block and not (self.thoughts.has_more or self.written.has_more)
        work = partial(_rendered, self._markdown, thoughts, piece, with_open_block=with_open_block)
        render = partial(copy_context().run, work)
        self._rendering = asyncio.get_running_loop().run_in_executor(RENDER_POOL, render)
        self._rendering.add_done_callback(partial(self._show, self._markdown))

    def _show(self, markdown: StreamedMarkdown, rendering: "asyncio.Future[Rendered]") -> None:
        if rendering.cancelled() or markdown is not self._markdown:
            return  # the loop ends, or the message was restarted
        self._rendering = None
        try:
            blocks, open_block = rendering.result()
        except Exception:
            logger.exception("a message cannot be rendered while it is written; its text is shown")
            self._is_plain = True
            return
        self._blocks += blocks
        self._open_block = self._open_block if open_block is None else open_block
        for watcher in list(self.watchers):
            watcher.wake()


def _rendered(markdown: StreamedMarkdown, thoughts: str, text: str, *, with_open_block: bool) -> Rendered:
    markdown.think(thoughts)
    return markdown.feed(text), markdown.open_block() if with_open_block else None
