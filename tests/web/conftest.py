"""Agent functions, a user, and chats of hers, for the tests of pages."""

import pytest

from agentchat.core import registry
from agentchat.models import ChatSession
from tests.factories import account, said, signed_in, tell


@pytest.fixture
def agents(settings):
    """Two agents of the tests, one of them for staff only; guests may chat."""
    settings.AGENTCHAT = {"GUESTS": True}
    registry.on_connect("oracle", title="The oracle", description="Knows it all.", prompts=["Will it rain?"])(_silent)
    registry.on_connect("vault", title="The vault", allow=lambda user: user is not None and user.is_staff)(_silent)
    yield
    registry.unregister("oracle")
    registry.unregister("vault")


def _silent(iostream):
    """Says nothing."""


@pytest.fixture
def ada():
    return account("ada")


@pytest.fixture
def as_ada(ada):
    return signed_in(ada)


@pytest.fixture
def told(ada):
    """A chat of ada's in which something was said."""
    return tell(
        ChatSession.objects.create(owner=ada, agent="oracle", title="Will it rain?"),
        ("RUN_STARTED", {}),
        *said("u1", "Will it rain?", "user", "ada"),
        *said("a1", "It **will**."),
        ("RUN_FINISHED", {"outcome": {"type": "success"}}),
    )


@pytest.fixture
def guests(settings):
    settings.AGENTCHAT = {"GUESTS": True}


@pytest.fixture
def chat(ada):
    return tell(
        ChatSession.objects.create(owner=ada, agent="oracle", title="Will it rain?"),
        ("RUN_STARTED", {}),
        *said("u1", "Will it <b>rain</b>?", "user", "ada-lovelace"),
        *said("a1", "It **will**."),
        ("TOOL_CALL_START", {"toolCallId": "c1", "toolCallName": "look_up", "name": "chatbot"}),
        ("TOOL_CALL_ARGS", {"toolCallId": "c1", "args": '{"city": "Paris"}'}),
        ("TOOL_CALL_END", {"toolCallId": "c1"}),
    )
