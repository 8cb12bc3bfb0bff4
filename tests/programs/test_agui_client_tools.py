"""Tools that the client of an AG-UI run offers: the agent's model calls them, and the client returns the results."""

import json

import httpx2
import pytest

from agentchat import ConversableAgent, llm_config, reply
from agentchat.errors import ConfigError
from agentchat.models import InboxItem
from agentchat.testing import call, say
from agentchat.tools.client import ClientTool
from tests.programs.agui_events import bearer, check_order, text, types

MOVE = {
    "name": "move_map",
    "description": "Move the map",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def map_agent(agent_function):
    def double(number: int) -> int:
        """Twice."""
        return 2 * number

    def answer(iostream):
        while True:
            iostream.input()
            agent = ConversableAgent("bot", llm_config=llm_config())
            reply(iostream, agent, [double, *iostream.client_tools])

    return agent_function(answer)


def results(events):
    return [(each["toolCallId"], each["content"]) for _, each in events if each["type"] == "TOOL_CALL_RESULT"]


@pytest.mark.parametrize(
    ("way", "result"),
    [
        ("resume", '{"zoom": 3}'),
        ("cancel", "Error: the client has declined this call"),
        ("message", "It shows Rome"),
    ],
)
def test_a_client_runs_its_own_tools(post, map_agent, scripted_llm, way, result):
    scripted_llm.replies(call("move_map", city="Rome"), say("Done"), say("Again"))
    asked = post(map_agent, "Rome!", tools=[MOVE])
    check_order(asked)
    [offered] = [each["function"] for each in scripted_llm.requests[0]["tools"] if "map" in each["function"]["name"]]
    assert offered["parameters"] == MOVE["parameters"]
    assert offered["description"].startswith("(The client, not the site,")
    [interrupt] = asked[-1][1]["outcome"]["interrupts"]
    [start] = [event for _, event in asked if event["type"] == "TOOL_CALL_START"]
    assert (interrupt["reason"], interrupt["toolCallId"]) == ("tool_call", start["toolCallId"])
    resolved = {"interruptId": interrupt["id"], "status": "resolved", "payload": {"zoom": 3}}
    returned = {"id": "r", "role": "tool", "toolCallId": start["toolCallId"], "content": "It shows Rome"}
    sent = {
        "resume": {"resume": [resolved]},
        "cancel": {"resume": [{"interruptId": interrupt["id"], "status": "cancelled"}]},
        "message": {"messages": [returned]},
    }[way]
    done = post(map_agent, run="r2", **sent)
    check_order(done)
    assert results(done) == [(start["toolCallId"], result)]
    assert "TOOL_CALL_START" not in types(done)
    assert text(done) == text(post(map_agent, run="r2", **sent)) == "Done"
    # The run has called its function again, with what was offered before; the next message offers nothing.
    assert [each["function"]["name"] for each in scripted_llm.requests[1]["tools"]] == ["double", "move_map"]
    post(map_agent, "And now?")
    assert [each["function"]["name"] for each in scripted_llm.requests[2]["tools"]] == ["double"]


def test_a_tool_of_the_client_cannot_take_the_place_of_the_agents_own(post, map_agent, scripted_llm):
    scripted_llm.replies(call("double", number=4), say("8"))
    events = post(map_agent, "Double 4", tools=[{**MOVE, "name": "double"}])
    assert [content for _, content in results(events)] == ["8"]
    [offered] = scripted_llm.requests[0]["tools"]
    assert offered["function"]["description"] == "Twice."
    agent = ConversableAgent("bot", llm_config=llm_config())
    for register in (agent.register_for_llm(), agent.register_for_execution()):
        with pytest.raises(ConfigError, match="client's"):
            register(ClientTool.of(MOVE))


def test_a_result_that_nobody_waits_for_is_refused(server_url, post, map_agent, scripted_llm):
    scripted_llm.replies(say("Hello"))
    post(map_agent, "Hi", tools=[MOVE])
    forged = {"id": "r", "role": "tool", "toolCallId": "none", "content": "x"}
    sent = {"threadId": "t1", "runId": "r9", "messages": [forged]}
    answer = httpx2.post(f"{server_url}/agui/{map_agent}/", json=sent, headers=bearer(post.key))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "already_answered")


@pytest.mark.parametrize(
    "tools",
    [
        [MOVE, MOVE],
        [{**MOVE, "name": f"tool{number}"} for number in range(33)],
        [{**MOVE, "name": "a b"}],
        [{**MOVE, "description": "x" * 40_000}],
        [{**MOVE, "parameters": {"type": "string"}}],
        [{**MOVE, "parameters": {"type": "object", "properties": 5}}],
        [{**MOVE, "parameters": {"type": "object", "default": json.loads("[" * 40 + "]" * 40)}}],
    ],
)
def test_tools_that_are_too_many_or_too_large_are_refused_before_anything_is_stored(
    server_url, make_key, map_agent, tools
):
    message = {"id": "1", "role": "user", "content": "Hi"}
    sent = {"threadId": "t", "runId": "r", "messages": [message], "tools": tools}
    answer = httpx2.post(f"{server_url}/agui/{map_agent}/", json=sent, headers=bearer(make_key()))
    assert (answer.status_code, answer.json()["error"]["message"][:6]) == (400, "tools:")
    assert not InboxItem.objects.exists()
