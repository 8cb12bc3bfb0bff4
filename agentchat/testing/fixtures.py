"""The fixtures of `pytest_plugins = ["agentchat.testing"]`."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from agentchat.llm import config
from agentchat.testing.llm_server import ScriptedLLM

if TYPE_CHECKING:
    from agentchat.testing.runs import AgentChat


@pytest.fixture
def scripted_llm(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedLLM]:
    """A model with scripted answers. `llm_config()` finds it, here and in processes that the test starts.

    The test fails if the model gets a request without a scripted answer.
    """
    with ScriptedLLM() as llm:
        for name, value in llm.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("OAI_CONFIG_LIST", raising=False)
        monkeypatch.setattr(config, "_source", None)  # a model in Django's settings would come first
        yield llm


@pytest.fixture
def agent_chat(transactional_db: None) -> "Iterator[Callable[..., AgentChat]]":
    """Chats with registered agent functions, in real runs: `chat = agent_chat("weather", user=None)`.

    `chat.send(text)` sends a message, `chat.wait_for("RUN_FINISHED")` waits for a frame, `chat.said` has the messages.
    Needs pytest-django. A run that has not ended by the end of the test is released. The language is LANGUAGE_CODE,
    even if an earlier test has left another one active.
    """
    from django.conf import settings
    from django.utils import translation

    from agentchat.budgets import rules
    from agentchat.testing.runs import AgentChat, running_server

    rules.forget()  # those of an earlier test's database
    with translation.override(settings.LANGUAGE_CODE), running_server() as loop:
        yield lambda agent, *, user=None: AgentChat(agent, loop, user=user)
