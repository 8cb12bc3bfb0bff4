"""Programs talk to a stream that records what it is told."""

from collections.abc import Iterator

import pytest

from agentchat.io import IOStream
from agentchat.testing import RecordingStream


@pytest.fixture
def stream() -> Iterator[RecordingStream]:
    recording = RecordingStream()
    with IOStream.set_default(recording):
        yield recording
