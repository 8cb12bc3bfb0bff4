"""Runs with a model behind the Responses API: the same events, tools, usage and stop; hosted tools are cards."""

import pytest

import agentchat
from agentchat import ConversableAgent
from agentchat.testing import call, raw, say
from agentchat.testing.responses_dialect import end, event

SOURCE = {"url": "https://a.example/", "title": "A"}


def stock(article: str) -> int:
    """How many we have."""
    return 4


@pytest.fixture
def asked(scripted_llm, agent_chat, agent_function):
    """A chat whose agent answers once, with a model of this API."""

    def asked(**agent):
        entry = {**scripted_llm.config_list[0], "api": "responses", "max_retries": 0}

        def answering(iostream):
            iostream.input()
            clerk = ConversableAgent("clerk", "Be kind.", llm_config={"config_list": [entry]}, **agent)
            agentchat.reply(iostream, clerk, tools=[stock])

        chat = agent_chat(agent_function(answering))
        chat.send("How many chairs?")
        return chat

    return asked


def test_a_run_has_the_same_events_with_either_api(scripted_llm, asked):
    scripted_llm.replies(call("stock", article="chair"), say("Four.", thoughts="I have it.", sources=[SOURCE]))
    chat = asked()
    chat.wait_for("RUN_FINISHED")
    assert chat.wait_for("TOOL_CALL_RESULT")["content"] == "4"
    assert chat.wait_for("REASONING_MESSAGE_END")["content"] == "I have it."
    assert chat.wait_for("SOURCES")["sources"] == [SOURCE]
    assert chat.said[-1] == ("clerk", "Four.")
    assert len([frame for frame in chat.frames if frame["type"] == "USAGE" and frame["promptTokens"]]) == 2
    kinds = [item.get("type", item.get("role")) for item in scripted_llm.requests[1]["input"]]
    assert kinds == ["system", "user", "function_call", "function_call_output"]
    chat.replayed()


def test_a_stop_closes_the_connection(scripted_llm, asked):
    scripted_llm.replies(say("One two three", chunks=["One ", "two ", "three"]).paused(after=1))
    chat = asked()
    chat.wait_for("TEXT_MESSAGE_CONTENT")
    assert chat.stop()
    scripted_llm.wait_for_disconnect()
    assert chat.wait_for("RUN_FINISHED")["outcome"] == {"type": "cancelled"}


def test_what_the_service_has_called_by_itself_are_cards_with_results(scripted_llm, asked):
    search = {"type": "search", "query": "chairs", "sources": [{"type": "url", "url": SOURCE["url"]}]}
    found = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": search}
    text = event("response.output_text.delta", output_index=1, delta="Four.")
    done = event("response.output_item.done", output_index=0, item=found)
    scripted_llm.replies(raw(done, text, end({}, finish_reason=None, usage=(3, 1))))
    chat = asked()
    chat.wait_for("RUN_FINISHED")
    assert chat.wait_for("TOOL_CALL_START")["toolCallName"] == "web_search"
    assert "chairs" in chat.wait_for("TOOL_CALL_ARGS")["args"]
    result = chat.wait_for("TOOL_CALL_RESULT")
    assert (result["content"], result["ok"]) == (SOURCE["url"], True)
    assert len(scripted_llm.requests) == 1, "the model is not asked for what its service has done already"
    assert chat.said[-1] == ("clerk", "Four.")
    chat.replayed()
