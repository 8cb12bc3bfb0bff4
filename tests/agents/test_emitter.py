"""What an agent emits of its messages: each once."""

from agentchat import ConversableAgent
from agentchat.agents.emitter import EventEmitter
from agentchat.io import IOStream
from agentchat.testing import RecordingStream


def test_a_mark_counts_for_the_reply_itself_and_not_for_an_equal_one():
    emitter, listener, stream = EventEmitter("bot", silent=None), ConversableAgent("listener"), RecordingStream()
    first, second = emitter.mark_emitted({"content": "yes"}), emitter.mark_emitted({"content": "yes"})
    with IOStream.set_default(stream):
        for reply in (second, first, first):
            emitter.emit_message(reply, to=listener, silent=False, format_texts=False, visible={})
    assert stream.messages == [("bot", "yes")]  # the third time
