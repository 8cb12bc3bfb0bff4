"""A person who answers from a list, and agents who say what they were given to say."""

import pytest

from agentchat.agents import ConversableAgent
from agentchat.io import IOStream, classic
from agentchat.testing import RecordingStream


class Person(RecordingStream):
    """Keeps every event, and answers questions from a list."""

    @property
    def text(self):
        return "".join(classic.text_of(event) for event in self.events)

    def told(self, kind):
        """What the events of one kind said."""
        return [event.content for event in self.events_of(kind)]


@pytest.fixture
def person():
    stream = Person()
    with IOStream.set_default(stream):
        yield stream


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
