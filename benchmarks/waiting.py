"""What chats cost that wait for a person: threads, memory, and the time from a reply to the next event.

    python -m benchmarks.waiting [number of chats]

The chats talk to `assistant`: each has asked the model once and waits with a question. Nobody looks at them.
"""

import random
import statistics
import sys
import time

from benchmarks.lab import begin_chats, cookie, laboratory, page, process_of, runs, send, until, wait

WARM_UP = 200  # chats before the first measurement: what is made once should not count
REPLIES = 51
IDLE_S = 30.0  # within this, threads without work are gone …
FEW_THREADS = 20  # … but for those of the loop and of the database


def main(number: int) -> None:
    with laboratory() as (site, _):
        site.start()
        process = process_of(site)

        begin_chats(WARM_UP)
        wait(lambda: runs(site, "waiting") == WARM_UP)
        wait(lambda: process.num_threads() < FEW_THREADS, seconds=IDLE_S)
        threads, memory = process.num_threads(), process.memory_info().rss

        begun = time.monotonic()
        chats = begin_chats(number)
        wait(lambda: runs(site, "waiting") == WARM_UP + number)
        took = time.monotonic() - begun
        wait(lambda: process.num_threads() < FEW_THREADS, seconds=IDLE_S)
        each = (process.memory_info().rss - memory) / number

        latencies = []
        guest = cookie()
        for chat in random.sample(chats, REPLIES):
            with page(site, chat, guest) as socket:
                begun = time.monotonic()
                send(socket, "And now?")
                until(socket, type="TEXT_MESSAGE_START", role="assistant")
                latencies.append(time.monotonic() - begun)
                until(socket, type="INPUT_REQUESTED")

        print(f"{number} chats wait for a person (they came to it in {took:.0f} s)")
        print(f"  threads      {process.num_threads()}; with {WARM_UP} chats {threads}")
        print(f"  memory       {each / 1024:.1f} KB each")
        slowest = 1000 * max(latencies)
        print(
            f"  a reply      {1000 * statistics.median(latencies):.0f} ms to the next event (slowest {slowest:.0f} ms)"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
