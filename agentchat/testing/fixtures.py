"""The fixtures that `pytest_plugins = ["agentchat.testing"]` brings."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from agentchat.llm import config
from agentchat.testing.llm_server import ScriptedLLM

if TYPE_CHECKING:
    from agentchat.testing.runs import AgentChat


@pytest.fixture
def scripted_llm(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedLLM]:
    """A model that says what the test writes. `llm_config()` finds it, here and in processes that the test starts.

    The test fails if the model was asked when nothing was written.
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

    `chat.send(text)` says something, `chat.wait_for("RUN_FINISHED")` waits for a frame, `chat.said` is what was said.
    Needs pytest-django. A run that goes on when the test ends is given away. People speak LANGUAGE_CODE, whatever a
    request of an earlier test's client has left active.
    """
    from django.conf import settings
    from django.utils import translation

    from agentchat.testing.runs import AgentChat, running_server

    with translation.override(settings.LANGUAGE_CODE), running_server() as loop:
        yield lambda agent, *, user=None: AgentChat(agent, loop, user=user)
