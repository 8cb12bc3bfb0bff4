"""A stream that records events and answers from a list, and agents with scripted replies."""

import pytest

from agentchat.agents import ConversableAgent
from agentchat.io import IOStream, autogen_format
from agentchat.testing import RecordingStream


class UserStream(RecordingStream):
    """Keeps every event, and answers questions from a list."""

    @property
    def text(self):
        return "".join(autogen_format.text_of(event) for event in self.events)

    def contents_of(self, kind):
        """The content of the events of one kind."""
        return [event.content for event in self.events_of(kind)]


@pytest.fixture
def stream():
    recording = UserStream()
    with IOStream.set_default(recording):
        yield recording


@pytest.fixture
def says():
    """Make an agent that replies with the given messages, one after the other, and then with nothing."""

    def make(*replies, name="bot", **settings):
        agent = ConversableAgent(name, human_input_mode="NEVER", **settings)
        rest = iter(replies)
        agent.register_reply(
            [ConversableAgent, None], lambda agent, messages, sender, config: (True, next(rest, None)), position=3
        )
        return agent

    return make
