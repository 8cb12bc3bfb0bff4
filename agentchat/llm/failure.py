"""Why a model did not answer, as a value: what to raise, and whether asking it again may help."""

import random
from dataclasses import dataclass

from agentchat.errors import LLMError

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
LONGEST_WAIT_S = 20.0  # a person waits: whoever asks for more is not asked again


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One try that brought no answer.

    `error` is for whoever asked. `cause` is what the SDK raised, if it did. `worth_retrying`: the same request may
    succeed in a moment, after `retry_after` seconds if the service said so.
    """

    error: LLMError
    cause: Exception | None = None
    worth_retrying: bool = False
    retry_after: float | None = None

    @property
    def may_retry(self) -> bool:
        return self.worth_retrying and (self.retry_after or 0) <= LONGEST_WAIT_S

    def pause_s(self, tries: int) -> float:
        """Seconds to wait after this many tries: what the service asks for, else twice as long each time.

        Up to a quarter more at random, so that chats that failed together do not come back together.
        """
        pause = min(FIRST_PAUSE_S * 2 ** (tries - 1), LONGEST_PAUSE_S) if self.retry_after is None else self.retry_after
        return pause * random.uniform(1, 1.25)
