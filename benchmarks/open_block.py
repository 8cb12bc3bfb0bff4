"""What it costs to render the block that is being written, while a message is streamed.

    python -m benchmarks.open_block [number of characters, 16000 unless given]

Each message comes in deltas of 4 characters, 50 a second, as from a fast model. Measured are, for one message: the
processor time of its finished blocks, that of the open block, the longest single rendering, how often it is rendered
in a second, and the bytes that one subscriber is sent for each character (for the text alone, they are 31).
"""

import sys
import time
from unittest import mock

from agentchat.core.text import common_length
from agentchat.markup import streaming
from agentchat.markup.streaming import OpenBlock, StreamedMarkdown
from benchmarks.blocks import AFTER, ENDINGS, MESSAGES, OPENINGS

FRAME = 120  # bytes of a frame besides its text or HTML
DELTA = 4
DELTAS_PER_SECOND = 50


class Clock:
    """The time of the stream, in which a rendering takes as long as it really does."""

    def __init__(self) -> None:
        self.stream = 0.0

    def __call__(self) -> float:
        return self.stream + time.thread_time()


def measure(text: str) -> str:
    clock = Clock()
    markdown = StreamedMarkdown()
    sent = OpenBlock(0, "")
    blocks = opened = longest = 0.0
    renderings = size = 0
    with mock.patch.object(streaming, "perf_counter", clock):
        for offset in range(0, len(text), DELTA):
            begun = time.thread_time()
            finished = markdown.feed(text[offset : offset + DELTA])
            between = time.thread_time()
            block = markdown.open_block()
            ended = time.thread_time()
            blocks += between - begun
            opened += ended - between
            longest = max(longest, ended - between)
            size += FRAME + DELTA + sum(FRAME + len(each.html.encode()) for each in finished)
            if block != sent:
                keep = common_length(sent.html, block.html) if sent.index == block.index else 0
                size += FRAME + len(block.html[keep:].encode())
                sent = block
                renderings += 1
            clock.stream += 1 / DELTAS_PER_SECOND
    return (
        f"blocks {1000 * blocks:.0f} ms, open block {1000 * opened:.0f} ms (longest {1000 * longest:.1f}), "
        f"{renderings / clock.stream:.1f} a second, {size / len(text):.0f} bytes a character"
    )


def main(size: int) -> None:
    print(f"{size} characters in {size / DELTA / DELTAS_PER_SECOND:.0f} s:")
    for name, piece in MESSAGES.items():
        text = OPENINGS.get(name, "") + piece * ((size - len(AFTER)) // len(piece)) + ENDINGS.get(name, "") + AFTER
        measure(text)  # lexers and the like are made ready
        print(f"  {name + ':':14} {measure(text)}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 16_000)
