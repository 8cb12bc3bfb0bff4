"""What a turn costs: a message of the user, an answer of four words, the next question.

    python -m benchmarks.turns [number of chats at once]

The chats talk to `assistant`, each with a page that watches it. First one chat has many turns, one after the other;
then all have one at the same moment, again and again. The model is in this process: what is measured is the server.
"""

import statistics
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from websockets.sync.client import ClientConnection

from benchmarks.lab import begin_chats, cookie, laboratory, page, process_of, runs, send, until, wait
from tests.sites import Site

ALONE = 100  # turns of one chat
ROUNDS = 5  # in which all chats have a turn at once
WARM_UP = 20  # turns before the first measurement


def main(number: int) -> None:
    with laboratory(AGENTCHAT_MAX_RUNS=str(max(64, number))) as (site, _):
        site.start()
        chats = begin_chats(number)
        wait(lambda: runs(site, "waiting") == number)
        with ExitStack() as stack, pages(stack, site, chats) as sockets:
            for _ in range(WARM_UP):
                turn(sockets[0])

            with cpu_of(site) as spent:
                took = [turn(sockets[0]) for _ in range(ALONE)]
            print(f"one chat, {ALONE} turns one after the other")
            print(f"  CPU a turn       {1000 * spent[0] / ALONE:.1f} ms")
            print(f"  its first word   {1000 * statistics.median(took):.0f} ms (median)")

            at_once(sockets)
            took = []
            with cpu_of(site) as spent:
                for _ in range(ROUNDS):
                    took += at_once(sockets)
            print(f"{number} chats, a turn of each at the same moment, {ROUNDS} times")
            print(f"  CPU a turn       {1000 * spent[0] / (ROUNDS * number):.1f} ms")
            print(
                f"  its first word   {1000 * statistics.median(took):.0f} ms (median), {1000 * max(took):.0f} ms (last)"
            )


@contextmanager
def pages(stack: ExitStack, site: Site, chats: Sequence[uuid.UUID]) -> Iterator[list[ClientConnection]]:
    guest = cookie()
    yield [stack.enter_context(page(site, chat, guest)) for chat in chats]


@contextmanager
def cpu_of(site: Site) -> Iterator[list[float]]:
    """The seconds of processor that the server has used meanwhile."""
    process, spent = process_of(site), [0.0]
    before = process.cpu_times()
    yield spent
    after = process.cpu_times()
    spent[0] = after.user + after.system - before.user - before.system


def turn(socket: ClientConnection) -> float:
    """One turn. Return the seconds to the first word of the answer."""
    begun = time.monotonic()
    send(socket, "And now?")
    until(socket, type="TEXT_MESSAGE_CONTENT")
    first = time.monotonic() - begun
    until(socket, type="INPUT_REQUESTED")
    return first


def at_once(sockets: Sequence[ClientConnection]) -> list[float]:
    """A turn of each chat at the same moment."""
    barrier, took = threading.Barrier(len(sockets)), []

    def one(socket: ClientConnection) -> None:
        barrier.wait()
        took.append(turn(socket))

    threads = [threading.Thread(target=one, args=(socket,)) for socket in sockets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50)
