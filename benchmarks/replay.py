"""How long it takes to come back to where a run was: 1,000 steps, returned from the journal.

    python -m benchmarks.replay [number of steps]

Runs in this process. What is timed is the agent function, from its first line to its last recorded step; and the whole
way from a person's answer to the next question.
"""

import statistics
import sys
import time
from typing import Any

from benchmarks.lab import laboratory

LIVES = 9


def main(number: int) -> None:
    with laboratory(AGENTCHAT_MAX_STEPS=str(10 * number)):
        from agentchat import on_connect
        from agentchat.testing.runs import AgentChat, running_server

        replays: list[float] = []
        answered: list[float] = []

        @on_connect("long")
        def long(iostream: Any) -> None:
            begun = time.perf_counter()
            iostream.input()
            for step in range(number):
                iostream.step("count", lambda step=step: {"step": step, "words": "what a step has brought"})
            replays.append(time.perf_counter() - begun)
            while True:
                iostream.input("And now?")

        with running_server() as loop:
            chat = AgentChat("long", loop)
            chat.send("Hello")
            chat.wait_for("INPUT_REQUESTED")
            for life in range(LIVES):
                begun = time.perf_counter()
                chat.send("Go on")
                chat.wait_for("INPUT_REQUESTED", count=life + 2)
                answered.append(time.perf_counter() - begun)
            chat.stop()
            chat.wait_for("RUN_FINISHED")

    print(f"{number} recorded steps are replayed in {1000 * statistics.median(replays[1:]):.0f} ms")
    print(f"  from an answer to the next question, with them: {1000 * statistics.median(answered):.0f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
