"""Asking a model from a test: the real client, on a loop of its own."""

import asyncio

import pytest

from agentchat.llm import failure
from agentchat.llm.client import complete


@pytest.fixture
def ask():
    """Ask, and return the reply; what was told is in `ask.told`, and its texts in `ask.deltas`."""

    def ask(llm_config, *said, **more):
        ask.told, ask.deltas = [], []

        def tell(delta):
            ask.told.append(delta)
            ask.deltas.append(delta.text)

        messages = [message if isinstance(message, dict) else {"role": "user", "content": message} for message in said]
        return asyncio.run(complete(llm_config, messages or [HELLO], on_delta=tell, **more))

    return ask


HELLO = {"role": "user", "content": "Hello"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Whoever asks again asks at once."""
    monkeypatch.setattr(failure, "FIRST_PAUSE_S", 0.0)
