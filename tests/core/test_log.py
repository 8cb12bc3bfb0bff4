"""Lines of the log: nobody forges one, and no secret stands in one."""

import io
import logging
import subprocess
import sys

import pytest

from agentchat.core.log import MAX_TRACEBACK_CHARS, MAX_VALUE_CHARS, LineFormatter, get_logger, safe_line
from agentchat.core.secrets import note_secret
from chatsite.settings import LOGGING

FORGED = "2026-11-30 10:00:00,000 ERROR agentchat.runs: FORGED"
BREAKS = ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x1b[2K\r", "\x9b2K", "\x00\n"]
KEY = "sk-CANARY-log-0123456789abcdef"


class Unspeakable:
    def __str__(self):
        raise RuntimeError("no words")

    __repr__ = __str__


@pytest.fixture(params=["a foreign project", "this project"])
def lines(request):
    """The lines that a record of our own logger becomes, by a foreign project's formatter, or of any by this one's."""
    stream, ours = io.StringIO(), request.param == "this project"
    handler = logging.StreamHandler(stream)
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler.setFormatter(LineFormatter(form) if ours else logging.Formatter(form))
    logger = logging.getLogger("somebody.else") if ours else get_logger("agentchat.test")
    logger.addHandler(handler)
    logger.propagate = False  # other handlers would write what is not safe

    def lines(message, *values, **more):
        logger.error(message, *values, **more)
        return stream.getvalue().split("\n")[:-1]

    yield lines
    logger.removeHandler(handler)
    logger.propagate = True


@pytest.mark.parametrize("line_break", BREAKS, ids=repr)
def test_a_value_cannot_begin_a_line(lines, line_break):
    text = f"x{line_break}{FORGED}"
    [line] = lines("tool %r failed: %s: %s", text, ValueError(text), text)
    assert line.isprintable()
    assert line.splitlines() == [line]
    assert FORGED in line


@pytest.mark.parametrize("line_break", BREAKS, ids=repr)
def test_an_exception_cannot_begin_a_line(lines, line_break):
    def fail():
        try:
            raise KeyError(f"a{line_break}{FORGED}")
        except KeyError:
            raise ValueError(f"x{line_break}{FORGED}") from None

    try:
        fail()
    except ValueError:
        first, *others = lines("it failed", exc_info=True)
    assert first.endswith("it failed")
    assert others
    assert all(line.startswith("    ") and line.isprintable() for line in others), others


def test_a_message_itself_cannot_either(lines):
    [line] = lines(f"x\n{FORGED}")
    assert line.endswith(f"x\\n{FORGED}")


def test_values_by_name_are_as_safe(lines):
    [line] = lines("%(who)s and %(number)d", {"who": f"a\n{FORGED}", "number": 5})
    assert line.endswith(f"a\\n{FORGED} and 5")


def test_of_our_own_loggers_a_value_without_words_is_named(caplog):
    get_logger("agentchat.test").error("%s and %r failed", Unspeakable(), Unspeakable())
    unknown = "(a Unspeakable whose text cannot be made)"
    assert caplog.messages == [f"{unknown} and {unknown} failed"]


def test_lone_surrogates_can_be_written():
    record = logging.LogRecord("any", logging.ERROR, __file__, 1, "%s", ("half \ud800",), None)
    assert LineFormatter("%(message)s").format(record) == "half \\ud800"


def test_a_secret_is_in_no_line(lines):
    note_secret(KEY)
    try:
        raise ValueError(f"Illegal header value {f'Bearer {KEY}'.encode()!r}")
    except ValueError as error:
        said = lines("%s: %s, %r", KEY, error, {"key": KEY}, exc_info=True)
    assert KEY not in "\n".join(said)


def test_what_is_long_is_cut(caplog):
    logger = get_logger("agentchat.test")
    try:
        raise ValueError("x" * 3 * MAX_TRACEBACK_CHARS)
    except ValueError as error:
        logger.exception("%s", error)
    [record] = caplog.records
    assert len(record.getMessage()) < MAX_VALUE_CHARS + 100
    assert len(record.exc_text) < MAX_TRACEBACK_CHARS + 1_000


def test_an_exception_stays_what_it_is_for_those_that_report_it(caplog):
    error = ValueError("x")
    get_logger("agentchat.test").error("failed: %s, %d of %.1f", error, 1, 2.5, exc_info=error)
    assert caplog.records[0].exc_info[1] is error
    assert caplog.records[0].msg == "failed: %s, %d of %.1f"
    assert caplog.messages == ["failed: x, 1 of 2.5"]


def test_ordinary_words_stay_as_they_are():
    for text in ("", "Ünïcödé 漢字 عربي", "C:\\new\\table", "a  b", "100 %"):
        assert safe_line(text) == text
    assert safe_line(safe_line("a\nb")) == safe_line("a\nb")


def test_this_project_logs_with_it():
    assert LOGGING["formatters"]["line"]["()"] == "agentchat.core.log.LineFormatter"
    script = (
        "import logging, logging.config; from chatsite.settings import LOGGING; logging.config.dictConfig(LOGGING)\n"
        "logging.getLogger('site.own').warning('tool said %s', 'x\\n2026 ERROR forged\\x1b[31m')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.rstrip("\n").endswith("WARNING site.own: tool said x\\n2026 ERROR forged\\x1b[31m")
