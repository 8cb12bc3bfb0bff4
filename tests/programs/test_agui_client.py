"""AG-UI's own client, in Node: its verifier accepts each run, and the agent of docs/integrations.md comes back."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agentchat import ConversableAgent, llm_config, reply
from agentchat.models import InboxItem
from agentchat.testing import call, say

CLIENT = Path(__file__).parent / "agui_client"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "integrations.md"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (CLIENT / "node_modules" / "@ag-ui" / "client").is_dir(),
    reason="needs Node, and `npm install --no-package-lock --prefix tests/programs/agui_client`",
)


@pytest.fixture
def chat(server_url, make_key, tmp_path):
    """`chat(agent, text, cut=0)`: what the client has in the end, if each connection is cut after so many events."""
    (tmp_path / "node_modules").symlink_to(CLIENT / "node_modules")
    shutil.copy(CLIENT / "run.mjs", tmp_path)
    [code] = re.findall(r"^```js\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (tmp_path / "agent.mjs").write_text(code, encoding="utf-8")
    key = make_key()

    def run(agent, text, *, cut=0, tools=()):
        arguments = [f"{server_url}/agui/{agent}/", key, "a thread/of mine", text, str(cut), json.dumps(tools)]
        done = subprocess.run(
            ["node", "run.mjs", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "WARN" not in done.stderr.upper(), done.stderr
        return json.loads(done.stdout)

    return run


def said(result):
    return [(each["role"], each.get("content")) for each in result["messages"]]


@pytest.mark.parametrize("cut", [0, 1, 3])
def test_the_client_gets_the_whole_answer_however_often_it_is_cut_off(chat, agent_function, scripted_llm, cut):
    def answer(iostream):
        iostream.input()
        iostream.state["seen"] = [1]
        reply(iostream, ConversableAgent("bot", llm_config=llm_config()))
        iostream.state |= {"seen": [1, 2], "a/b": True}

    answered = say("One two three four five six", usage=(5, 2))
    answered.thoughts = "Let me count."
    scripted_llm.replies(answered)
    result = chat(agent_function(answer), "Count", cut=cut)
    texts = [content for role, content in said(result) if role == "assistant"]
    assert texts == ["One two three four five six"]
    assert [content for role, content in said(result) if role == "reasoning"] == ["Let me count."]
    assert result["state"] == {"seen": [1, 2], "a/b": True}
    assert (result["events"][0], result["events"][-1]) == ("RUN_STARTED", "RUN_FINISHED")
    assert (len(result["requests"]) > 1) == (cut > 0)
    assert result["requests"].count("POST") == 1
    assert InboxItem.objects.count() == 1


def test_the_client_approves_a_call_and_goes_on(chat, agent_function, scripted_llm):
    def pay(amount: int) -> str:
        """Pay."""
        return f"paid {amount}"

    def answer(iostream):
        iostream.input()
        agent = ConversableAgent("bot", llm_config=llm_config())
        agent.register_for_llm(description="Pay")(pay)
        agent.register_for_execution(approval=True)(pay)
        reply(iostream, agent)

    scripted_llm.replies(call("pay", amount=5), say("Done"))
    result = chat(agent_function(answer), "Pay 5")
    assert [each["reason"] for each in result["interrupts"]] == ["tool_call"]
    assert said(result)[-1] == ("assistant", "Done")
    assert ("tool", "paid 5") in said(result)
    assert result["events"].count("TOOL_CALL_START") == 1


@pytest.mark.parametrize("cut", [0, 2])
def test_the_client_runs_a_tool_of_its_own_and_goes_on(chat, agent_function, scripted_llm, cut):
    def answer(iostream):
        iostream.input()
        reply(iostream, ConversableAgent("bot", llm_config=llm_config()), iostream.client_tools)

    scripted_llm.replies(call("move_map", city="Rome"), say("Done"))
    city = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {"name": "move_map", "description": "Move the map", "parameters": city}
    result = chat(agent_function(answer), "Rome!", tools=[tool], cut=cut)
    assert [each["reason"] for each in result["interrupts"]] == ["tool_call"]
    assert said(result)[-1] == ("assistant", "Done")
    assert ("tool", '{"move_map": {"city": "Rome"}}') in said(result)
    assert result["events"].count("TOOL_CALL_START") == 1
