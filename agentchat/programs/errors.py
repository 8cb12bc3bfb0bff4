"""What a program is answered if it cannot have what it asks for: an HTTP status, a code, and a sentence."""

from agentchat.errors import Rejected

_STATUS_OF_REASON = {
    "agent_not_available": 404,
    "already_answered": 409,
    "busy": 409,
    "expired": 409,
    "handed_over": 409,
    "not_allowed": 403,
    "not_found": 404,
    "paused": 503,
    "rate_limited": 429,
    "too_many_messages": 429,
    "unavailable": 503,
}


class ProgramError(Exception):
    """`code` is for programs, the text for whoever reads their logs. `retry_after`: seconds, if time alone helps."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after

    @classmethod
    def of(cls, rejected: Rejected) -> "ProgramError":
        """The same as an action says it, with what is wrong with which field."""
        details = "".join(f" {name}: {text}" if name else f" {text}" for name, text in (rejected.errors or {}).items())
        status = _STATUS_OF_REASON.get(rejected.reason, 429 if rejected.retry_after is not None else 400)
        return cls(status, rejected.reason, f"{rejected}{details}", retry_after=rejected.retry_after)


UNAVAILABLE = "This couldn't be saved right now. Check whether it went through, then try again."
