"""`iostream.state` of an AG-UI run: a snapshot, and what changes while the run goes on."""

import httpx2
import pytest

from agentchat import ConversableAgent, llm_config, reply
from agentchat.programs.agui.state_events import _changes
from agentchat.testing import call, say
from tests.programs.agui_events import bearer, check_order, read, types


def of_state(events):
    found = [event for _, event in events if event["type"].startswith("STATE_")]
    return [event.get("snapshot") or event["delta"] for event in found]


@pytest.fixture
def shop(agent_function, scripted_llm):
    def shop(iostream):
        def buy(article: str) -> str:
            """Buy."""
            iostream.state["basket"].append(article)
            return "bought"

        iostream.input()
        iostream.state["basket"] = []
        reply(iostream, ConversableAgent("bot", llm_config=llm_config()), [buy])
        iostream.state["is/paid"] = True

    held = say("Done, thank you").paused(after=1)
    scripted_llm.replies(call("buy", article="tea"), call("buy", article="milk"), held)
    return agent_function(shop), held


def has_milk(event):
    return event["type"].startswith("STATE_") and "milk" in str(event)


def test_a_change_is_sent_within_the_run_and_a_stream_that_is_resumed_begins_with_the_whole(server_url, post, shop):
    name, held = shop
    begun = post(name, "Tea and milk", run="r1", until=has_milk)
    assert types(begun).count("TOOL_CALL_RESULT") in (1, 2)
    assert "RUN_FINISHED" not in types(begun)
    held.release()
    headers = bearer(post.key) | {"Last-Event-ID": begun[-1][0]}
    with httpx2.stream("GET", f"{server_url}/agui/{name}/t1/events", headers=headers, timeout=20) as answer:
        events = read(answer)
    check_order(begun + events)
    first, *later = of_state(events)
    assert first["basket"] == ["tea", "milk"]
    assert first.get("is/paid") or later == [[{"op": "add", "path": "/is~1paid", "value": True}]]


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}]),
        ({"a": {"b": 1, "c~/": 2}}, {"a": {"b": 1}}, [{"op": "remove", "path": "/a/c~0~1"}]),
        ({"a": [1, 2]}, {"a": [1]}, [{"op": "replace", "path": "/a", "value": [1]}]),
        ({}, {"a": None}, [{"op": "add", "path": "/a", "value": None}]),
    ],
)
def test_changes_are_json_patch(old, new, changes):
    assert list(_changes(old, new, "")) == changes
