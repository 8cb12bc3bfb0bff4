"""Tools for your own tests: a model whose answers you write, a stream that records, and the fixtures for both.

    # conftest.py
    pytest_plugins = ["agentchat.testing"]

    # test_agents.py
    from agentchat.testing import call, say

    def test_the_agent_asks_for_the_weather(scripted_llm, agent_chat):
        scripted_llm.replies(call("weather_forecast", city="Paris"), say("Sunny. TERMINATE"))
        chat = agent_chat("weather")
        chat.send("How is Paris?")
        chat.wait_for("RUN_FINISHED")
        assert scripted_llm.requests[0]["messages"][-1]["content"] == "How is Paris?"

The scripted LLM is a real server on a real port: the real SDK connects to it, from this process or from another one.
Tests need no sleep: the server's answers can be held back, and its requests can be waited for. `agent_chat` runs an
agent function as the server would, with its journal and its database. Only it needs Django.
"""

from agentchat.testing.databases import pytest_configure, pytest_unconfigure
from agentchat.testing.fixtures import agent_chat, scripted_llm
from agentchat.testing.llm_server import ScriptedLLM
from agentchat.testing.script import Scripted, call, cut, fail, give, hang, raw, say
from agentchat.testing.sent_files import SentFile, files_in
from agentchat.testing.stream import RecordingStream

__all__ = [
    "RecordingStream",
    "Scripted",
    "ScriptedLLM",
    "SentFile",
    "agent_chat",
    "call",
    "cut",
    "fail",
    "files_in",
    "give",
    "hang",
    "pytest_configure",
    "pytest_unconfigure",
    "raw",
    "say",
    "scripted_llm",
]
