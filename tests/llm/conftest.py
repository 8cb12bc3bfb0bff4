"""Asking a model from a test: the real client, on a loop of its own."""

import asyncio

import pytest

from agentchat.llm import errors
from agentchat.llm.client import complete
from agentchat.testing import raw


@pytest.fixture
def ask():
    """Ask, and return the response; its deltas are in `ask.emitted`, and their texts in `ask.deltas`."""

    def ask(llm_config, *texts, messages=None, **more):
        ask.emitted, ask.deltas = [], []

        def on_delta(delta):
            ask.emitted.append(delta)
            ask.deltas.append(delta.text)

        if messages is None:
            messages = [text if isinstance(text, dict) else {"role": "user", "content": text} for text in texts] or [
                HELLO
            ]
        return asyncio.run(complete(llm_config, messages, on_delta=on_delta, **more))

    return ask


@pytest.fixture
def answer(scripted_llm, ask):
    """The answer that a stream of these pieces is taken for."""

    def answer(*pieces, **more):
        scripted_llm.replies(raw(*pieces))
        return ask(scripted_llm.llm_config(max_retries=0, **more))

    return answer


HELLO = {"role": "user", "content": "Hello"}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    """Retry without a pause."""
    monkeypatch.setattr(errors, "FIRST_PAUSE_SECONDS", 0.0)
