"""What can go wrong, as a tree.

    AgentChatError
    ├── ConfigError                   a setting or an argument cannot work; the message names it (a ValueError, too)
    │   ├── AgentNameConflict         several agents have the name that was to say which
    │   ├── InvalidCarryOverType      a carryover is neither a text nor a list
    │   ├── SenderRequired            there is no message to reply to, and no sender whose last one it would be
    │   └── UndefinedNextAgent        there are no agents to choose the next speaker from
    ├── NoEligibleSpeaker             no one may speak next in a group chat, which ends it
    ├── LLMError                      no model gave an answer
    │   ├── LLMAuthError              its service rejected the API key
    │   │   └── LLMPermissionDenied   the key is valid, but may not do this
    │   ├── LLMNotFound               its service does not know the model, or the address
    │   ├── LLMRefused                its service rejected the request, and would do so again
    │   │   ├── LLMContextTooLong     the conversation is longer than the model can read
    │   │   ├── LLMContentFiltered    a filter of the service does not let it pass
    │   │   └── LLMDeclined           the model will not answer this, in its own words
    │   ├── LLMRateLimited            it allows no more requests for now
    │   │   └── LLMQuotaExceeded      the account has nothing left to spend
    │   ├── LLMUnavailable            its service is out of order
    │   ├── LLMUnreachable            its service could not be connected to
    │   ├── LLMTimeout                it did not answer in time
    │   ├── LLMResultInvalid          it gave no answer of the type that was asked for
    │   └── LLMStreamTruncated        it stopped in the middle of an answer
    ├── StepFailed                    the function of an iostream.step() raised something
    ├── ToolError                     a tool could not be called: unknown, or arguments that do not fit
    ├── FileUnreadable                there is no text in a file that could be read
    ├── InputExpired                  a question was not answered in time
    ├── Interrupted                   the process of a run that cannot be resumed has ended
    ├── MaxRecoveryAttemptsExceeded   one process after the other has died with a run
    ├── LimitExceeded                 a run has reached a limit, which was not extended
    │   └── BudgetExceeded            a budget of the site is used up, for this day or month
    ├── DatabaseUnavailable           the database did not answer for as long as transactions are retried
    ├── NonDeterminismError           a resumed run took another way than its journal
    └── Rejected                      what a user sent cannot be accepted; nothing has changed

    RunInterrupt (BaseException)      not errors: they unwind an agent function's thread
    ├── Suspended                     it waits for its user
    ├── Cancelled                     it was stopped
    ├── LeaseLost                     another process goes on with it
    ├── Aborted                       it cannot go on, for an error that nothing may swallow
    └── Disconnected                  its client has left

Each class has a stable `code` for logs, frames and tests. The message is for developers: what happened, with
which value, what to do next. `user_message` is what a user reads; it is English here and in the database, and
translated for each reader.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar


def gettext_noop(text: str) -> str:
    """Mark a text for translation. The name is the one that `makemessages` looks for."""
    return text


class AgentChatError(Exception):
    """Base of all errors that agentchat raises on purpose."""

    code: ClassVar[str] = "error"
    user_message: ClassVar[str] = gettext_noop("Something went wrong. Please try again.")
    may_retry: ClassVar[bool] = True
    """Whether the user may be offered to try again: not where the same request would be rejected again."""
    params: Mapping[str, Any] = {}
    """What a text for users may have in it, besides its standard words: `i18n.system_messages` has that text."""


class ConfigError(AgentChatError, ValueError):
    """A setting or an argument that cannot work. The message names it and says what would.

    A ValueError, because classic code expects one.
    """

    code = "config"
    user_message = gettext_noop("This agent isn't set up correctly. Please contact the site administrator.")


class AgentNameConflict(ConfigError):
    """Several agents have the name that was to say which one is meant."""


class InvalidCarryOverType(ConfigError):
    """A carryover is neither a text nor a list."""


class SenderRequired(ConfigError):
    """An agent is to reply, but has neither a message nor a sender."""


class UndefinedNextAgent(ConfigError):
    """There are no agents to choose the next speaker from."""


class NoEligibleSpeaker(AgentChatError):
    """No one may speak next in a group chat. A selection function may raise it: it ends the group chat."""

    code = "no_eligible_speaker"

    @property
    def message(self) -> str:
        """What was given, as AutoGen 0.2 names it."""
        return str(self)


class LLMError(AgentChatError):
    """No entry of the config list gave an answer.

    What is raised is an instance of the OpenAI SDK's class of the same kind too (`agentchat.llm.openai_errors`), with
    that class's attributes. `code` is ours. `origin` is what the service said, as JSON: enough to raise the same again.
    """

    code = "llm"
    user_message = gettext_noop("The model gave no answer. Please try again.")
    origin: Mapping[str, Any] | None = None
    answers: Sequence[Mapping[str, Any]] = ()
    """Answers that could not be used, and were paid for, as JSON."""


class LLMAuthError(LLMError):
    """The model's service rejected our key (HTTP 401)."""

    code = "llm_auth"
    user_message = gettext_noop("The model provider rejected the API key. Please contact the site administrator.")


class LLMPermissionDenied(LLMAuthError):
    """The key is known to the model's service, but not allowed to do this (HTTP 403)."""

    code = "llm_forbidden"
    user_message = gettext_noop("The model provider doesn't allow this. Please contact the site administrator.")


class LLMNotFound(LLMError):
    """The model's service does not know the model, or there is no such API at its address (HTTP 404)."""

    code = "llm_not_found"
    user_message = gettext_noop("The model that is set here doesn't exist. Please contact the site administrator.")


class LLMRefused(LLMError):
    """The model's service rejected the request for its form or its content (HTTP 400, 422 and others)."""

    code = "llm_refused"
    user_message = gettext_noop("The model provider rejected this request. Please contact the site administrator.")
    may_retry = False


class LLMContextTooLong(LLMRefused):
    """The request has more tokens than the model, or the service, accepts in one."""

    code = "llm_context"
    user_message = gettext_noop(
        "This conversation has become too long for the model. Send a shorter message, or start a new chat."
    )


class LLMContentFiltered(LLMRefused):
    """A filter of the model's service rejected what was said."""

    code = "llm_content_filter"
    user_message = gettext_noop("The model provider's content filter blocked this. Please put it differently.")


class LLMDeclined(LLMRefused):
    """A model that was asked for a result has declined, in words of its own."""

    code = "llm_declined"
    user_message = gettext_noop("The model declined to answer this. Please put it differently.")


class LLMRateLimited(LLMError):
    """The model's service asked us to come back later (HTTP 429), and went on doing so."""

    code = "llm_rate_limited"
    user_message = gettext_noop("The model is busy right now. Please try again in a minute.")


class LLMQuotaExceeded(LLMRateLimited):
    """The account with the model's service has no credit, or has spent its quota (HTTP 402, some 429)."""

    code = "llm_quota"
    user_message = gettext_noop(
        "The account with the model provider has no credit left. Please contact the site administrator."
    )


class LLMUnavailable(LLMError):
    """The model's service is out of order or overloaded (HTTP 5xx)."""

    code = "llm_unavailable"
    user_message = gettext_noop("The model provider has a problem right now. Please try again in a minute.")


class LLMUnreachable(LLMError):
    """No connection to the model's service: no network, no such host, nothing that listens there."""

    code = "llm_unreachable"
    user_message = gettext_noop("The model couldn't be reached. Please try again.")


class LLMTimeout(LLMError):
    """The model did not connect, or fell silent, for longer than the time-out."""

    code = "llm_timeout"
    user_message = gettext_noop("The model took too long to answer. Please try again.")


class LLMResultInvalid(LLMError):
    """A model was asked for a result of a type, and gave none: invalid again and again, or cut off."""

    code = "llm_result"
    user_message = gettext_noop("The model gave no usable answer. Please try again.")


class LLMStreamTruncated(LLMError):
    """An answer ended without a finish reason: what came is not the whole of it."""

    code = "llm_stream_cut"
    user_message = gettext_noop("The model's answer was cut off. Please try again.")


class StepFailed(AgentChatError):
    """The function of an `iostream.step()` has raised: `type` is the name of the exception's class, `message` its text.

    The same at the first execution, whose traceback has the exception itself, and at each later one, which has the
    record: so code that catches it goes the same way again.
    """

    code = "step_failed"

    def __init__(self, type: str, message: str) -> None:
        super().__init__(f"{type}: {message}" if message else type)
        self.type = type
        self.message = message


class ToolError(AgentChatError):
    """A tool that is not there, or arguments that do not fit its schema. The model reads the message."""

    code = "tool"


class FileUnreadable(AgentChatError):
    """There is no text in a file, or none that can be read: it is broken, locked, or of another kind."""

    code = "file_unreadable"
    user_message = gettext_noop("This file cannot be read.")
    may_retry = False


class InputExpired(AgentChatError):
    """A question expired without an answer. An agent function may catch this and go on."""

    code = "input_expired"
    user_message = gettext_noop("No one answered in time. Send a message to start over.")


class Interrupted(AgentChatError):
    """The process of a run ended, and its agent function (`durable=False`) cannot be called again."""

    code = "interrupted"
    user_message = gettext_noop("The server restarted before this was finished. Send a message to start over.")


class MaxRecoveryAttemptsExceeded(AgentChatError):
    """Several processes in a row have ended with a run in the same place, as far as its journal knows."""

    code = "crashed"
    user_message = gettext_noop(
        "The server failed several times while working on this. Try again, or contact the site administrator."
    )


class LimitExceeded(AgentChatError):
    """A run has reached its limit of steps, tokens, cost or time, and whoever was asked did not extend it."""

    code = "cap_reached"
    user_message = gettext_noop("This run reached its usage limit. Send a message to start over.")


class BudgetExceeded(LimitExceeded):
    """A budget is used up: of the owner of the chat, a group, the agent function or the site.

    `renews_at` is when it begins anew, as an ISO 8601 text.
    """

    code = "budget_exceeded"
    user_message = gettext_noop("The budget for this is used up.")

    def __init__(self, message: str, *, renews_at: str = "") -> None:
        super().__init__(message)
        self.renews_at = renews_at
        self.params = {"renews_at": renews_at} if renews_at else {}


class DatabaseUnavailable(AgentChatError):
    """The database could not be used, however often it was tried. What was committed before is there."""

    code = "database"
    user_message = gettext_noop("The conversation couldn't be saved for a while. Send a message to start over.")


class NonDeterminismError(AgentChatError):
    """A resumed run asked for another step than the one in its journal. Unwinds the run as the `error` of `Aborted`."""

    code = "diverged"
    user_message = gettext_noop(
        "This agent was changed while it was waiting, so it can't continue. Send a message to start over."
    )


class Rejected(AgentChatError):
    """A frame or a form that cannot be accepted. Nothing has changed; `reason` is its code on the wire.

    `errors` says what is wrong with which field of a form ("" is the whole). `retry_after`: after how many seconds the
    same would be accepted, if time alone helps.
    """

    code = "rejected"

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        errors: Mapping[str, str] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.errors = errors
        self.retry_after = retry_after


class LostMemoryWarning(UserWarning):
    """A tool has changed what its agent function has in memory. Given in tests, where a run would lose it."""


def text_of(error: BaseException) -> str:
    """What an exception says; its class's name if it says nothing, or fails when it is asked."""
    try:
        return str(error) or repr(error)
    except Exception:
        return f"{type(error).__name__} (its text cannot be made)"


def error_classes(root: type[AgentChatError] = AgentChatError) -> Iterator[type[AgentChatError]]:
    """This class and those below it, a site's own too: each after the one that it inherits from.

    Without those that are made at run time, for the SDK's handlers: they have the names of their bases.
    """
    yield root
    for each in root.__subclasses__():
        if (each.__module__, each.__qualname__) != (root.__module__, root.__qualname__):
            yield from error_classes(each)


def error_class_of(code: str) -> type[AgentChatError]:
    """The class that has defined this code; AgentChatError if none has."""
    return next((each for each in error_classes() if each.code == code), AgentChatError)


class RunInterrupt(BaseException):
    """Base of what unwinds an agent function. A BaseException, so that `except Exception` lets it pass."""


class Suspended(RunInterrupt):
    """The run waits for its user; it is called again from the top when the answer is there."""


class Cancelled(RunInterrupt):
    """The run was stopped."""


class LeaseLost(RunInterrupt):
    """This process hands the run off (it stops, or has lost the lease); another one goes on with it."""


class Aborted(RunInterrupt):
    """The run cannot go on. `error` is what ends it, whatever the agent function catches."""

    def __init__(self, error: AgentChatError) -> None:
        super().__init__(str(error))
        self.error = error


class Disconnected(RunInterrupt):
    """The client at the other end has left."""
