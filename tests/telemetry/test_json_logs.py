"""Logs as JSON: a line each, with the ids of what it is about, whatever is in it."""

import io
import json
import logging
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider

import agentchat
from agentchat import ConversableAgent, llm_config
from agentchat.core.secrets import note_secret
from agentchat.telemetry.json_logs import JSONFormatter
from agentchat.testing import call, fail, say


@pytest.fixture
def lines():
    """What is logged, as it is read back."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JSONFormatter())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.django_db(transaction=True)
def test_the_lines_of_a_run_have_its_ids_in_all_its_threads(agent_function, agent_chat, scripted_llm, lines):
    logger = logging.getLogger("shop")

    def look(article: str) -> str:
        """Look an article up."""
        logger.info("in the tool")
        return "4"

    def shop(iostream):
        iostream.input()
        logger.info("between steps")
        iostream.step("note", lambda: logger.info("in a step"))
        agent = ConversableAgent("clerk", llm_config=llm_config(max_retries=1))
        agentchat.reply(iostream, agent, tools=[look])

    scripted_llm.replies(fail(503), call("look", article="chair"), say("We have 4."))
    chat = agent_chat(agent_function(shop, "shop"))
    chat.send("Any chairs?")
    chat.wait_for("RUN_FINISHED")
    logger.info("elsewhere")
    found = {line["message"].split(".")[0]: line for line in lines()}
    again = next(line for line in lines() if "Asking again" in line["message"])  # on the server's loop
    ids = {"chat": str(chat.session.pk), "run": 1}
    of = {name: {key: line[key] for key in ("chat", "run", "step") if key in line} for name, line in found.items()}
    assert of["between steps"] == ids
    assert of["in a step"] == {**ids, "step": 2}
    assert {key: again[key] for key in ("chat", "run", "step")} == {**ids, "step": 3}
    assert of["in the tool"] == {**ids, "step": 4}
    assert of["elsewhere"] == {}
    assert set(found["elsewhere"]) == {"time", "level", "logger", "message"}


def test_nothing_in_it_begins_another_line_and_no_secret_is_in_it():
    note_secret("sk-canary-123456789")
    logger = logging.getLogger("any")
    try:
        raise ValueError("sk-canary-123456789\nnext")
    except ValueError:
        text, values = "a\nb\u2028c \ud800 %s", ("sk-canary-123456789",)
        record = logger.makeRecord("any", logging.ERROR, __file__, 1, text, values, sys.exc_info())
    written = JSONFormatter().format(record)
    assert written.isprintable()
    line = json.loads(written)
    assert line["level"] == "ERROR"
    assert line["message"].startswith("a\nb\u2028c")
    assert "ValueError" in line["exception"]
    assert "canary" not in written


def test_it_has_the_ids_of_the_span_that_it_is_in(lines):
    with TracerProvider().get_tracer("test").start_as_current_span("any") as span:
        logging.getLogger("any").warning("in a span")
    context = span.get_span_context()
    assert lines()[0]["trace_id"] == f"{context.trace_id:032x}"
    assert lines()[0]["span_id"] == f"{context.span_id:016x}"
