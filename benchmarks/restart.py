"""How soon a process leaves at SIGTERM, and how soon the next one goes on: after SIGTERM, and after kill -9.

    python -m benchmarks.restart

Ten runs stream, held in the middle of an answer. They have gone on when the model is asked for each of them again.
"""

import signal
import time

from agentchat.testing import say
from benchmarks.lab import ANSWER, begin_chats, laboratory, runs, wait

STREAMING = 10


def main() -> None:
    with laboratory() as (site, llm):
        site.start()
        for waiting, (number, name) in enumerate([(signal.SIGTERM, "SIGTERM"), (signal.SIGKILL, "kill -9")]):
            answers = [say(ANSWER).paused(after=3) for _ in range(STREAMING)]
            llm.replies(*answers)
            begin_chats(STREAMING)
            for answer in answers:
                answer.wait_until_paused(60)

            asked = len(llm.requests)
            begun = time.monotonic()
            site.stop(number)
            left = time.monotonic() - begun
            begun = time.monotonic()
            site.start()
            started = time.monotonic() - begun
            wait(lambda asked=asked: len(llm.requests) == asked + STREAMING)
            resumed = time.monotonic() - begun
            wait(lambda waiting=waiting: runs(site, "waiting") == (waiting + 1) * STREAMING)
            print(f"{name} with {STREAMING} streaming runs: the process has left after {left:.2f} s")
            print(f"  the next one answers after {started:.2f} s and has resumed all after {resumed:.2f} s")


if __name__ == "__main__":
    main()
