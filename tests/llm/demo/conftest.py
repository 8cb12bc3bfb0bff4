"""The demo model without its reading speed."""

import pytest


@pytest.fixture(autouse=True)
def as_fast_as_possible(monkeypatch):
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "0")
