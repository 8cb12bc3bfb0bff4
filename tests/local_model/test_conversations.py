"""Conversations as agents have them, accepted by llama.cpp itself."""

import asyncio
import json
import logging

from agentchat import llm_config
from agentchat.llm.client import complete
from tests.llm.test_history import CONVERSATIONS, TOOL


def test_every_conversation_is_accepted_as_it_is_sent(model, caplog):
    caplog.set_level(logging.INFO)
    config = llm_config(profile="llama.cpp", max_tokens=1, ignore_eos=True)

    async def ask_all():
        for name, messages in CONVERSATIONS.items():
            tools = [TOOL] if "call" in json.dumps(messages, default=str) else []
            response = await complete(config, messages, tools=tools, on_delta=lambda delta: None)
            assert response.completion_tokens == 1, name

    asyncio.run(ask_all())
    assert "simpler form" not in caplog.text
