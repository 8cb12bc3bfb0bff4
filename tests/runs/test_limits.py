"""What a run has used: counted by the threads of its tools, which run at the same time."""

import threading

from agentchat.events import Usage
from agentchat.runs.limits import RunUsage


def test_what_two_threads_use_at_the_same_time_is_added_up():
    used, others = RunUsage(steps=0, tokens=0, cost=0.0, seconds_before=0.0), []

    class Simultaneous(Usage):
        """While it is added, another thread has used something, too."""

        @property
        def prompt_tokens(self):
            if not others:
                other = threading.Thread(target=used.add, args=[[usage]], kwargs={"steps": 1}, daemon=True)
                others.append(other)
                other.start()
                other.join(0.2)  # it has to wait
            return 3

    usage = Usage(model="m", prompt_tokens=10, completion_tokens=1, cost=1.0)
    simultaneous = object.__new__(Simultaneous)
    vars(simultaneous).update(model="m", completion_tokens=1, cost=1.0)
    used.add([simultaneous], steps=1)
    others[0].join()
    assert (used.steps, used.tokens, used.cost) == (2, 15, 2.0)
