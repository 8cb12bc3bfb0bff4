"""The demo model's service, asked through the real SDK."""

import asyncio
import time

import pytest

from agentchat.llm.client import complete
from agentchat.llm.config import DEMO
from agentchat.llm.demo import transport

CONFIG = {"config_list": DEMO}


def test_it_writes_at_reading_speed(monkeypatch):
    monkeypatch.delenv("AGENTCHAT_DEMO_RATE")
    assert 30 <= transport.tokens_per_second() <= 60
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "nonsense")
    assert 30 <= transport.tokens_per_second() <= 60


def test_its_tokens_come_at_the_rate_that_is_set(monkeypatch, ask):
    ask(CONFIG)  # imports the SDK
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "200")
    begun = time.monotonic()
    reply = ask(CONFIG)
    took = time.monotonic() - begun
    assert len(ask.deltas) == reply.completion_tokens
    # A machine under load may be slower than the rate, but nothing makes the model faster.
    assert reply.completion_tokens / took <= 200


def test_its_deltas_put_together_are_its_answer(ask):
    reply = ask(CONFIG)
    assert "".join(ask.deltas) == reply.content
    assert (reply.finish_reason, reply.model) == ("stop", "demo")
    assert reply.prompt_tokens > 0


def test_it_stops_when_the_client_disconnects(monkeypatch):
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "0.001")  # the second token would take a quarter of an hour

    async def ask_and_stop():
        begun = asyncio.Event()
        asking = asyncio.ensure_future(
            complete(CONFIG, [{"role": "user", "content": "Hi"}], on_delta=lambda delta: begun.set())
        )
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(ask_and_stop())


def test_a_proxy_in_the_environment_does_not_stand_before_it(monkeypatch, ask):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert "scripted, no AI" in ask(CONFIG).content
