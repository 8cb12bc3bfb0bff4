"""The embedded engine: runs advance in threads of the server's own process."""

from agentchat.runs.runner import runner


class ThreadsEngine:
    """Wakes a run in this process. Without a server here (a command), a server's supervisor finds the run."""

    def wake(self, run_id: int) -> None:
        runner.wake_soon(run_id)

    def parts(self) -> dict[str, bool | str]:
        return {}
