"""What can go wrong, as a tree.

    AgentChatError
    ├── ConfigError            a setting or an argument cannot work; the sentence names it
    ├── LLMError               the model could not be asked
    │   ├── LLMAuthError       it refused our key
    │   ├── LLMRateLimited     it asked us to come back later
    │   ├── LLMTimeout         it did not answer in time
    │   └── LLMStreamCut       it stopped in the middle of an answer
    ├── ToolError              a tool could not be called: unknown, or arguments that do not fit
    ├── InputExpired           nobody answered a question in time
    ├── Interrupted            the process of a run that cannot be resumed has ended
    ├── Crashed                one process after the other has ended with a run
    ├── CapReached             a run has used up what it may use
    ├── DatabaseAway           the database did not answer for longer than one tries
    ├── Diverged               a resumed run took another way than its journal
    └── Rejected               what a person sent cannot be taken; nothing has changed

    Unwound (BaseException)    not errors: they carry an agent function's thread back to its start
    ├── Suspended              it waits for a person
    ├── Stopped                somebody stopped it
    ├── Released               another process goes on with it
    └── Disconnected           nobody listens any more

Each class has a stable `code` for logs, frames and tests. The message is for developers: what happened, with
which value, what to do next. `kind_words` is what a person reads; they are English here and in the database, and
translated for whoever reads them.
"""

from collections.abc import Mapping
from typing import ClassVar


def gettext_noop(words: str) -> str:
    """Mark words for translation. The name is the one that `makemessages` looks for."""
    return words


class AgentChatError(Exception):
    """Base of all errors that agentchat raises on purpose."""

    code: ClassVar[str] = "error"
    kind_words: ClassVar[str] = gettext_noop("Something went wrong. You can try again.")


class ConfigError(AgentChatError):
    """A setting or an argument that cannot work. The message names it and says what would."""

    code = "config"
    kind_words = gettext_noop("This agent is not set up correctly. Please tell the people who run this site.")


class LLMError(AgentChatError):
    """No entry of the config list gave an answer."""

    code = "llm"
    kind_words = gettext_noop("The model could not be reached. You can try again.")


class LLMAuthError(LLMError):
    """The model's service refused our key (HTTP 401 or 403)."""

    code = "llm_auth"
    kind_words = gettext_noop("The model refused our key. Please tell the people who run this site.")


class LLMRateLimited(LLMError):
    """The model's service asked us to come back later (HTTP 429), and went on doing so."""

    code = "llm_rate_limited"
    kind_words = gettext_noop("The model has too much to do at the moment. Please try again in a minute.")


class LLMTimeout(LLMError):
    """The model did not connect, or fell silent, for longer than the time-out."""

    code = "llm_timeout"
    kind_words = gettext_noop("The model did not answer in time. You can try again.")


class LLMStreamCut(LLMError):
    """An answer ended without a finish reason: what came is not the whole of it."""

    code = "llm_stream_cut"
    kind_words = gettext_noop("The model's answer broke off. You can try again.")


class ToolError(AgentChatError):
    """A tool that is not there, or arguments that do not fit its schema. The model reads the message."""

    code = "tool"


class InputExpired(AgentChatError):
    """Nobody answered a question before it expired. An agent function may catch it and go on."""

    code = "input_expired"
    kind_words = gettext_noop("Nobody answered in time. Send a message to start again.")


class Interrupted(AgentChatError):
    """The process of a run ended, and its agent function (`durable=False`) cannot be called again."""

    code = "interrupted"
    kind_words = gettext_noop("The server was restarted in the middle of this. Send a message to start again.")


class Crashed(AgentChatError):
    """Several processes in a row have ended with a run in the same place, as far as its journal knows."""

    code = "crashed"
    kind_words = gettext_noop(
        "The server failed in the middle of this several times. You can try again, or tell the people who run this "
        "site."
    )


class CapReached(AgentChatError):
    """A run has used up its steps, tokens, cost or time, and nobody said that it may go on."""

    code = "cap_reached"
    kind_words = gettext_noop("This run has used up what it may use. Send a message to start again.")


class DatabaseAway(AgentChatError):
    """The database could not be used, however often it was tried. What was committed before is there."""

    code = "database"
    kind_words = gettext_noop("What was said could not be saved for a while. Send a message to start again.")


class Diverged(AgentChatError):
    """A resumed run asked for another step than the one in its journal."""

    code = "diverged"
    kind_words = gettext_noop(
        "This agent was changed while it was waiting and cannot go on. Send a message to start again."
    )


class Rejected(AgentChatError):
    """A frame or a form that cannot be taken. Nothing has changed; `reason` is its code on the wire.

    `errors` says what is wrong with which field of a form ("" is the whole).
    """

    code = "rejected"

    def __init__(self, reason: str, message: str, *, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.errors = errors


class Unwound(BaseException):
    """Base of what unwinds an agent function. A BaseException, so that `except Exception` lets it pass."""


class Suspended(Unwound):
    """The run waits for a person; it is called again from the top when the answer is there."""


class Stopped(Unwound):
    """Somebody stopped the run."""


class Released(Unwound):
    """This process gives the run away (it shuts down, or lost its lease); another one goes on with it."""


class Disconnected(Unwound):
    """Nobody listens at the other end any more."""
