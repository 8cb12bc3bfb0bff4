"""Each pair of docs/coming-from-chainlit.md: what it says to write does what was written before."""

import ast
from types import SimpleNamespace

import pytest

from agentchat.core import registry
from agentchat.testing import call, say
from tests.factories import account
from tests.runs.test_runs import eventually
from tests.test_project.test_docs import ROOT, blocks, known_agents  # noqa: F401  # a fixture

PAGE = ROOT / "docs" / "coming-from-chainlit.md"
ANSWER = "We have two."

pytestmark = pytest.mark.django_db(transaction=True)

STOPS = ("INPUT_REQUESTED", "RUN_FINISHED")  # one after each turn of the user's

# What is said and chosen, and what the agent has said in the end.
TALKS = {
    "echo": (["Hello"], ["You said: Hello"]),
    "rhyme": (["Go"], ["Twinkle, twinkle, little star "]),
    "chairs": (["Which chairs do you have?"], [ANSWER]),
    "forecast": (["Paris"], ["Sunny in Paris"]),
    "forecaster": (["Paris?"], [ANSWER]),
    "names": (["Hello", "Ada"], ["Hello Ada"]),
    "choices": (["Hello", {"choice": "Continue"}], ["Continue!"]),
    "tickets": (["Hello", {"summary": "It is cold", "priority": "High"}], ["It is cold, with priority High"]),
    "counter": (["a", "b"], ["You sent 1 message(s)!", "You sent 2 message(s)!"]),
    "loop": (["a", "b"], ["You sent 1 message(s)!", "You sent 2 message(s)!"]),
    "reports": (["Here"], ["Read: []"]),
    "ledger": (["today"], ["ada, nothing was booked for “today”."]),
}


@pytest.fixture
def page(known_agents):  # noqa: F811
    names = {"__name__": "docs_coming_from_chainlit"}
    for line, block in blocks(PAGE, "python"):
        exec(compile("\n" * line + block, str(PAGE), "exec"), names)
    return SimpleNamespace(**names)


def test_every_agent_function_of_the_page_is_tried(page):
    assert {name for name, agent in registry._agents.items() if agent.function.__module__ == page.__name__} == set(
        TALKS
    )


@pytest.mark.parametrize("name", TALKS)
def test_what_you_write_does_what_you_wrote(page, name, agent_chat, scripted_llm):
    texts, wanted = TALKS[name]
    scripted_llm.always(
        lambda request: (
            call("weather", city="Paris")
            if request.get("tools") and request["messages"][-1]["role"] == "user"
            else say(ANSWER)
        )
    )
    chat = agent_chat(name, user=account("ada", is_staff=True))
    for turn, text in enumerate(texts, 1):
        if isinstance(text, dict):
            chat.answer(chat.wait_for("INPUT_REQUESTED", kind="form")["request"], text)
        else:
            chat.send(text)
        eventually(lambda turn=turn: sum(frame["type"] in STOPS for frame in chat.frames) == turn)
    assert [content for speaker, content in chat.said if content not in texts] == wanted
    sent = [file["name"] for frame in chat.frames if frame["type"] == "FILE_SENT" for file in frame["files"]]
    assert sent == (["report.csv"] if name == "reports" else [])
    chat.replayed()


def test_what_is_not_for_everybody_is_for_nobody_else(page):
    assert not registry.find("ledger").is_open_to(account("eve"))
    assert not registry.find("ledger").is_open_to(None)


def test_what_you_wrote_is_python():
    written = blocks(PAGE, "py")
    assert len(written) == 9
    for _, block in written:
        ast.parse(block)
