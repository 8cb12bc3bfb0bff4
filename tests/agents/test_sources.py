"""Sources below an answer: named by models and by agent functions; in pages, copies, shares and exports."""

import json

import pytest
from django.template.loader import render_to_string

import agentchat
from agentchat import ConversableAgent, llm_config
from agentchat.actions import sharing
from agentchat.errors import ConfigError
from agentchat.io import IOConsole
from agentchat.models import Event
from agentchat.presentation import export, shared_chat, transcript
from agentchat.presentation.items import Message, SourceList
from agentchat.presentation.live import Viewer, changes_of, fragments_of
from agentchat.presentation.reader import TranscriptReader
from agentchat.presentation.sources import Source, as_markdown
from agentchat.testing import RecordingStream, call, raw, say
from tests.llm.chunks import DONE, chunk

HANDBOOK = {"url": "https://www.shop.example/handbook?a=1", "title": "Our *handbook*"}
CITED = chunk({"annotations": [{"type": "url_citation", "url_citation": HANDBOOK}]})


def clerk():
    return ConversableAgent("clerk", "", llm_config=llm_config(max_retries=0))


@pytest.fixture
def asked(agent_chat, agent_function):
    """A chat with an agent function that is called once."""

    def asked(function):
        def agent(iostream):
            iostream.input()
            function(iostream)

        chat = agent_chat(agent_function(agent))
        chat.send("How?")
        chat.wait_for("RUN_FINISHED")
        return chat

    return asked


def items_of(chat):
    return transcript.of_events(Event.objects.filter(session=chat.session).order_by("seq")).items


def page_of(chat):
    return render_to_string("agentchat/transcript.html", {"items": items_of(chat), "has_actions": True})


def test_what_a_model_cites_is_numbered_below_its_answer(scripted_llm, asked):
    scripted_llm.replies(raw(CITED, chunk({"content": "Read it."}, "stop"), DONE))
    chat = asked(lambda iostream: agentchat.reply(iostream, clerk()))
    types = [frame["type"] for frame in chat.frames]
    assert types.index("SOURCES") == types.index("USAGE") - 1
    assert chat.wait_for("SOURCES")["sources"] == [HANDBOOK]
    page = page_of(chat)
    assert '<a href="https://www.shop.example/handbook?a=1" target="_blank" rel="noopener noreferrer nofollow">' in page
    assert "Our *handbook*</a> <small" in page
    assert ">shop.example</small>" in page
    copied = f"Read it.\n\n1. [Our \\*handbook\\*](<{HANDBOOK['url']}>)"
    assert [item.source for item in items_of(chat) if isinstance(item, Message)][-1] == copied
    chat.replayed()


def test_an_agent_function_names_them_after_an_answer_and_before_it(scripted_llm, asked):
    def answering(iostream):
        iostream.sources(["https://a.example/"])
        iostream.post("One.")
        iostream.sources([{"title": "A book, p. 12"}, "https://a.example/"])
        iostream.post("Two.")

    chat = asked(answering)
    sources = {item.content: [each.title for each in item.sources] for item in items_of(chat) if item.kind == "message"}
    assert sources == {"How?": [], "One.": ["https://a.example/", "A book, p. 12"], "Two.": []}
    chat.replayed()


def test_a_tool_names_the_sources_of_the_answer_that_follows(scripted_llm, asked):
    def answering(iostream):
        def look() -> str:
            """Look it up."""
            iostream.sources([HANDBOOK])
            return "12 chairs"

        agentchat.reply(iostream, clerk(), tools=[look])

    scripted_llm.replies(call("look"), say("Twelve."))
    chat = asked(answering)
    [*_, answer] = [item for item in items_of(chat) if isinstance(item, Message)]
    assert (answer.content, [each.name for each in answer.sources]) == ("Twelve.", ["Our *handbook*"])
    assert not any(isinstance(item, SourceList) for item in items_of(chat))


def test_without_an_answer_they_are_shown_by_themselves(asked):
    chat = asked(lambda iostream: iostream.sources([HANDBOOK]))
    [listed] = [item for item in items_of(chat) if isinstance(item, SourceList)]
    assert listed.sources == [Source(url=HANDBOOK["url"], name=HANDBOOK["title"])]
    assert "shop.example</small>" in page_of(chat)


def test_they_are_shown_live_as_after_a_reload(scripted_llm, asked):
    def answering(iostream):
        iostream.post("One.")
        iostream.sources([HANDBOOK])

    chat = asked(answering)
    reader, shown = TranscriptReader(), {}
    viewer = Viewer(language="en", is_open=True, shows_usage=False, shows_details=False)
    for frame in (frame for frame in chat.frames if "seq" in frame):
        for fragment in fragments_of(changes_of(reader, frame), viewer):
            shown[fragment["key"]] = fragment.get("html", "")
    assert any("One." in html and "shop.example</small>" in html for html in shown.values())


@pytest.mark.parametrize(
    ("url", "href"),
    [
        ("https://a.example/?q=1&b=2", "https://a.example/?q=1&b=2"),
        ("/docs/a", "/docs/a"),
        ("docs/a.html", "/docs/a.html"),
        ("mailto:a@b.example", "mailto:a@b.example"),
        ("javascript:alert(1)", ""),
        ("JAVASCRIPT:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//evil.example/", ""),
        ("\x01javascript:alert(1)", ""),
        ("https://a.example/\"onclick='x'>", "https://a.example/%22onclick='x'%3E"),
        ("#part", ""),
        ("not an address", ""),
        ("https://[", "https://%5B"),
    ],
)
def test_only_what_is_safe_is_a_link(url, href):
    source = Source(url=url, name="<b>x</b>")
    assert source.href == href
    html = render_to_string("agentchat/_source_list.html", {"sources": [source]})
    assert "<b>x" not in html
    assert ("<a " in html) == bool(source.href)
    assert "javascript" not in html


def test_a_title_cannot_break_out_of_a_copy():
    markdown = as_markdown([Source(url="https://a.example/", name="a](javascript:x) `b`\n\n# c")])
    assert markdown == r"1. [a\](javascript:x) \`b\` # c](<https://a.example/>)"


def test_what_is_stored_may_be_anything(asked):
    chat = asked(lambda iostream: iostream.post("One."))
    last = Event.objects.filter(session=chat.session).order_by("-seq")[0]
    for number, odd in enumerate(([5, None, {}, {"url": 5}, {"title": "\x00 a"}], {"a": 1}, None), start=1):
        Event.objects.create(session=chat.session, seq=last.seq + number, type="SOURCES", payload={"sources": odd})
    assert "One." in page_of(chat)


def test_shares_and_exports_have_them(scripted_llm, asked):
    scripted_llm.replies(raw(CITED, chunk({"content": "Read it."}, "stop"), DONE))
    session = asked(lambda iostream: agentchat.reply(iostream, clerk())).session
    markdown = "".join(export.markdown_of(session))
    assert f"> Read it.\n\nSources:\n\n1. [Our \\*handbook\\*](<{HANDBOOK['url']}>)" in markdown
    assert HANDBOOK["url"] in "".join(export.json_of(session))
    [*_, answer] = shared_chat.items_of(sharing.create_link(session))
    assert [each.url for each in answer.sources] == [HANDBOOK["url"]]


@pytest.mark.parametrize("given", ["https://a.example/", {"url": "x"}, 5, [5], [{"address": "x"}], [{}], [{"url": 5}]])
def test_what_are_no_sources_is_refused(given):
    with pytest.raises(ConfigError, match=r"iostream.sources\(\) got"):
        RecordingStream().sources(given)


def test_a_console_prints_them_numbered(capsys):
    IOConsole().sources([HANDBOOK, "https://a.example/"])
    assert capsys.readouterr().out == (
        "Sources:\n[1] Our *handbook*: https://www.shop.example/handbook?a=1\n[2] https://a.example/\n"
    )


def test_nothing_named_is_nothing_sent():
    stream = RecordingStream()
    stream.sources([])
    assert stream.events == []
    assert json.dumps(stream.said) == "[]"
