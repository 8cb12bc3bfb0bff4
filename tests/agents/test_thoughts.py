"""Thoughts of models in runs: streamed, stored with their message, shown folded; not in copies, shares and exports."""

import json

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils import translation

import agentchat
from agentchat import ConversableAgent, llm_config
from agentchat.actions import sharing
from agentchat.io import IOConsole, IOStream
from agentchat.models import Event
from agentchat.presentation import export, shared_chat, transcript
from agentchat.presentation.items import Message
from agentchat.testing import RecordingStream, call, raw, say
from tests.llm.chunks import DONE, chunk


def clerk(**more):
    return ConversableAgent("clerk", "", llm_config=llm_config(max_retries=0), **more)


def stock(article: str) -> int:
    """How many we have."""
    return 4


def thinks(*thoughts, then="Four."):
    return raw(*(chunk({"reasoning": each}) for each in thoughts), chunk({"content": then}, "stop"), DONE)


@pytest.fixture
def asked(agent_chat, agent_function):
    """A chat whose agent has answered once."""

    def asked(*, tools=(), **agent):
        def answering(iostream):
            iostream.input()
            agentchat.reply(iostream, clerk(**agent), tools=tools)

        chat = agent_chat(agent_function(answering))
        chat.send("2 + 2?")
        chat.wait_for("RUN_FINISHED")
        return chat

    return asked


def test_thoughts_are_streamed_and_stored_before_the_end_of_their_message(scripted_llm, asked):
    scripted_llm.replies(thinks("Let me ", "see."))
    chat = asked()
    types = [frame["type"] for frame in chat.frames]
    assert types.index("REASONING_MESSAGE_CONTENT") < types.index("REASONING_MESSAGE_END")
    assert types.index("REASONING_MESSAGE_END") + 1 == len(types) - types[::-1].index("TEXT_MESSAGE_END") - 1
    deltas = [frame for frame in chat.frames if frame["type"] == "REASONING_MESSAGE_CONTENT"]
    assert "".join(frame["delta"] for frame in deltas) == "Let me see."
    assert deltas[0]["offset"] == 0
    end = chat.wait_for("REASONING_MESSAGE_END")
    assert (end["content"], end["messageId"]) == ("Let me see.", deltas[0]["messageId"])
    assert end["durationMs"] >= 0
    assert chat.said[-1] == ("clerk", "Four.")
    chat.replayed()


def test_the_thoughts_before_a_call_and_after_it_have_lines_of_their_own(scripted_llm, asked):
    first = call("stock", article="chair")
    body = b"".join(first.chunks({"messages": []}))
    scripted_llm.replies(raw(chunk({"reasoning_content": "I look."}), body), thinks("Now I know."))
    chat = asked(tools=[stock])
    ends = [frame["content"] for frame in chat.frames if frame["type"] == "REASONING_MESSAGE_END"]
    assert ends == ["I look.", "Now I know."]
    page = page_of(chat)
    assert page.count("Thought for 1 s") == 2
    assert page.count("data-actions") == 2, "the user's message and the answer have actions, thoughts have none"
    assert page.index("I look.") < page.index("stock") < page.index("Now I know.") < page.index(">Four.")


def test_thoughts_that_are_the_answer_are_not_shown_twice(scripted_llm, asked):
    scripted_llm.replies(raw(chunk({"reasoning": "Four."}), chunk({}, "stop"), DONE))
    chat = asked()
    assert chat.said[-1] == ("clerk", "Four.")
    assert "REASONING_MESSAGE_END" not in [frame["type"] for frame in chat.frames]


def test_a_silent_agent_thinks_silently(scripted_llm, asked):
    scripted_llm.replies(thinks("Hm."))
    assert not [frame for frame in asked(silent=True).frames if frame["type"].startswith("REASONING")]


def test_without_keep_reasoning_only_the_time_is_stored(scripted_llm, asked, settings):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "KEEP_REASONING": False}
    scripted_llm.replies(thinks("My secret."))
    chat = asked()
    assert "My secret." in "".join(f["delta"] for f in chat.frames if f["type"] == "REASONING_MESSAGE_CONTENT")
    assert "content" not in chat.wait_for("REASONING_MESSAGE_END")
    assert not Event.objects.filter(payload__icontains="secret").exists()
    assert "secret" not in json.dumps(list(chat.session.runs.get().steps.values_list("result", flat=True)))
    page = page_of(chat)
    assert "Thought for 1 s" in page
    assert '<details class="thoughts"' not in page


@pytest.mark.parametrize("keeps", [True, False])
def test_a_stop_while_the_model_thinks_keeps_what_it_has_thought(
    scripted_llm, agent_chat, agent_function, settings, keeps
):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "KEEP_REASONING": keeps}

    def answering(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk())

    scripted_llm.replies(say("Four.", thoughts="Let me see.").paused(after=1))
    chat = agent_chat(agent_function(answering))
    chat.send("2 + 2?")
    chat.wait_for("REASONING_MESSAGE_CONTENT")
    assert chat.stop()
    chat.wait_for("RUN_FINISHED")
    assert chat.wait_for("REASONING_MESSAGE_END").get("content") == ("Let me see." if keeps else None)
    assert chat.wait_for("TEXT_MESSAGE_END", stopped=True)["content"] == ""
    page = page_of(chat)
    assert "Thought for 1 s" in page
    assert "Stopped here." in page
    assert ("Let me see." in page) is keeps


def test_an_answer_without_thoughts_stores_what_it_did_before(scripted_llm, asked):
    scripted_llm.replies(say("Four."))
    types = [frame["type"] for frame in asked().frames if "seq" in frame]
    assert types[-4:] == ["TEXT_MESSAGE_START", "TEXT_MESSAGE_END", "USAGE", "RUN_FINISHED"]


def test_the_model_does_not_read_them_again(scripted_llm, agent_chat, agent_function):
    def answering(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk())

    scripted_llm.replies(say("<think>Hm.</think>Four."), say("Six."))
    chat = agent_chat(agent_function(answering))
    chat.send("2 + 2?")
    chat.wait_for("RUN_FINISHED")
    chat.send("3 + 3?")
    chat.wait_for("RUN_FINISHED", count=2)
    assert "Hm." not in json.dumps(scripted_llm.requests[1])
    assert chat.said[1] == ("clerk", "Four.")


# --- what is shown ----------------------------------------------------------------------------------------------------


def page_of(chat):
    items = transcript.of_events(Event.objects.filter(session=chat.session).order_by("seq")).items
    return render_to_string("agentchat/transcript.html", {"items": items, "has_actions": True, "is_open": True})


def test_a_page_folds_them_under_a_line_and_copies_leave_them_out(scripted_llm, asked):
    scripted_llm.replies(thinks("**Two** pairs <script>alert(1)</script>."))
    page = page_of(asked())
    assert '<details class="thoughts"><summary>Thought for 1 s</summary>' in page
    assert "<strong>Two</strong> pairs &lt;script&gt;" in page
    assert 'data-source="Four."' in page


def test_the_line_is_in_the_reader_s_language_and_names_minutes():
    message = Message(id="m", thought_ms=125_400)
    assert message.thought_for == "Thought for 2 min 5 s"
    with translation.override("de"):
        assert message.thought_for == "2 min 5 s nachgedacht"
        message.thought_ms = 12_000
        assert message.thought_for == "12 s nachgedacht"
    with translation.override("ar"):
        assert "12" in message.thought_for
        assert "Thought" not in message.thought_for


def test_a_shared_chat_has_none_of_them(scripted_llm, asked):
    scripted_llm.replies(thinks("My secret."))
    chat = asked()
    link = sharing.create_link(chat.session)
    items = list(shared_chat.items_of(link))
    assert [item.content for item in items if item.kind == "message"] == ["2 + 2?", "Four."]
    assert all(item.thought_ms is None for item in items if item.kind == "message")
    seq = Event.objects.get(type="REASONING_MESSAGE_END").seq
    assert not shared_chat.events_of(link).filter(seq=seq).exists()
    address = reverse("agentchat:shared_event_text", args=[link.token, seq])
    assert Client().get(address).status_code == 404


def test_exports_have_them_only_if_asked_and_ones_own_data_always(scripted_llm, asked):
    scripted_llm.replies(thinks("My secret."))
    session = asked().session
    for of in (export.markdown_of, export.json_of):
        assert "secret" not in "".join(of(session))
        assert "My secret." in "".join(of(session, with_thoughts=True))
    assert "Thought for 1 s" in "".join(export.markdown_of(session, with_thoughts=True))
    json.loads("".join(export.json_of(session)))


# --- elsewhere --------------------------------------------------------------------------------------------------------


def test_a_console_does_not_print_them(scripted_llm, capsys):
    scripted_llm.replies(thinks("My secret."))
    with IOStream.set_default(IOConsole()):
        assert clerk().generate_reply(messages=[{"role": "user", "content": "2 + 2?"}]) == "Four."
    printed = capsys.readouterr().out
    assert "Four." in printed
    assert "secret" not in printed


def test_a_stream_of_ones_own_gets_the_events(scripted_llm):
    scripted_llm.replies(thinks("Hm, ", "yes."))
    stream = RecordingStream()
    with IOStream.set_default(stream):
        clerk().generate_reply(messages=[{"role": "user", "content": "2 + 2?"}])
    told = [event for event in stream.events if event.type.startswith("REASONING")]
    assert [(event.type, getattr(event, "offset", None)) for event in told] == [
        ("REASONING_MESSAGE_CONTENT", 0),
        ("REASONING_MESSAGE_CONTENT", 4),
        ("REASONING_MESSAGE_END", None),
    ]
    assert told[-1].content == "Hm, yes."
