"""The log of agentchat: lines that nobody can forge, without secrets.

What is logged comes from models, tools, users and libraries. A line break in it would begin a line that looks like the
log's own, an escape sequence would rewrite the terminal that shows it, a lone surrogate would be no line at all. So
control characters are written as escapes, in the records of our own loggers, whatever handlers a project has. A project
whose other loggers should be as safe uses `LineFormatter` (chatsite does).
"""

import logging
import re
import traceback
from collections.abc import Callable
from numbers import Number
from typing import Any

from agentchat.core.secrets import mask

MAX_VALUE_CHARS = 4_000  # of one value in a message
MAX_TRACEBACK_CHARS = 64_000
CONTINUED = "    "  # begins each further line of a record: none of them looks like a line of its own

# C0 and C1 controls, line and paragraph separators, marks that turn the direction of text, lone surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def safe_line(text: str) -> str:
    """The text as a part of one line of a log: controls escaped, secrets masked. Twice is as once."""
    return _escaped(mask(text))


def safe_traceback(text: str) -> str:
    """A traceback as further lines of a record. Of a long one, its beginning and its end."""
    if len(text) > MAX_TRACEBACK_CHARS:
        half = MAX_TRACEBACK_CHARS // 2
        text = f"{text[:half]}\n[{len(text) - 2 * half} characters]\n{text[-half:]}"
    return "\n".join(CONTINUED + _escaped(line) for line in mask(text).split("\n"))


def _escaped(text: str) -> str:
    return _UNSAFE.sub(lambda character: character[0].encode("unicode_escape").decode("ascii"), text)


class _SafeValue:
    """A value of a message, made safe when it becomes text: most records never do."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __str__(self) -> str:
        return self._text(str)

    def __repr__(self) -> str:
        return self._text(repr)

    def _text(self, form: Callable[[Any], str]) -> str:
        try:
            text = form(self._value)
        except Exception:  # of whatever class it is: the rest of the record must not be lost for it
            return f"(a {type(self._value).__name__} whose text cannot be made)"
        is_long = len(text) > MAX_VALUE_CHARS
        return safe_line(f"{text[:MAX_VALUE_CHARS]}… ({len(text)} characters)" if is_long else text)


def _safe_value(value: Any) -> Any:
    return value if value is None or isinstance(value, Number | _SafeValue) else _SafeValue(value)


class SafeFilter(logging.Filter):
    """Makes a record safe, for whatever handler it reaches. Its exception stays as it is, for those that report it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, dict):
            record.args = {key: _safe_value(value) for key, value in record.args.items()}
        elif record.args:
            record.args = tuple(map(_safe_value, record.args))
        else:
            record.msg = safe_line(str(record.msg))
        if record.exc_info and record.exc_info[0] is not None and not record.exc_text:
            # Formatters write this instead of making a traceback of their own.
            record.exc_text = safe_traceback("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"))
        return True


class LineFormatter(logging.Formatter):
    """Formats the records of all loggers so that each is one line that begins with its time, or further lines that are
    indented. For `LOGGING`: `"formatters": {"line": {"()": "agentchat.core.log.LineFormatter", "format": …}}`.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        return safe_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return safe_traceback(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return safe_traceback(stack_info)


_filter = SafeFilter()


def get_logger(name: str) -> logging.Logger:
    """The logger of this name, whose records are safe. Ours are made here, and nowhere else."""
    logger = logging.getLogger(name)
    logger.addFilter(_filter)
    return logger
