"""`manage.py agentchat_export`: the transcript as a file, in which no message can pass for another user's."""

import json
import uuid
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone
from markdown_it import MarkdownIt

from agentchat.models import ChatSession, Event, Run
from agentchat.realtime import frames

pytestmark = pytest.mark.django_db


@pytest.fixture
def session() -> ChatSession:
    return ChatSession.objects.create(agent="weather", title="Paris?", owner=User.objects.create_user("olivia"))


def happened(session: ChatSession, *facts: tuple[str, dict[str, Any]]) -> None:
    run, _ = Run.objects.get_or_create(session=session, number=1, agent=session.agent)
    for seq, (type_, payload) in enumerate(facts, session.next_seq):
        Event.objects.create(session=session, run=run, seq=seq, type=type_, payload=payload)
    session.next_seq += len(facts)
    session.save()


def message(text: str, *, name: str = "chatbot", role: str = "assistant", id: str = "m1", **more: Any) -> Any:
    start = "TEXT_MESSAGE_START", {"messageId": id, "role": role, "name": name}
    return start, ("TEXT_MESSAGE_END", {"messageId": id, "content": text, **more})


def tool_call(args: str, result: str, *, ok: bool = True) -> Any:
    return (
        ("TOOL_CALL_START", {"toolCallId": "c1", "toolCallName": "weather_forecast", "name": "chatbot"}),
        ("TOOL_CALL_ARGS", {"toolCallId": "c1", "args": args}),
        ("TOOL_CALL_END", {"toolCallId": "c1"}),
        ("TOOL_CALL_RESULT", {"toolCallId": "c1", "messageId": "t", "content": result, "ok": ok, "durationMs": 1234}),
    )


def asked(kind: str = "text", **more: Any) -> tuple[str, dict[str, Any]]:
    return "INPUT_REQUESTED", {"request": "1-2", "kind": kind, "prompt": "And then?", **more}


def answered(value: Any, **more: Any) -> tuple[str, dict[str, Any]]:
    return "INPUT_ANSWERED", {"request": "1-2", "value": value, "by": "olivia", **more}


def nested(type_: str) -> tuple[str, dict[str, Any]]:
    return type_, {"stepName": "nested chats of writer", "name": "writer"}


def export(session: ChatSession, *arguments: str) -> str:
    out = StringIO()
    call_command("agentchat_export", str(session.pk), *arguments, stdout=out)
    return out.getvalue()


# --- Markdown -------------------------------------------------------------------------------------------------------


def test_thoughts_are_folded(session: ChatSession) -> None:
    happened(session, *message("<think>\nHm.\n</think>\n\nFour."))
    assert "Hm" not in export(session)
    markdown = export(session, "--thoughts")
    assert "> <details><summary>Thoughts</summary>\n>\n> Hm.\n>\n> </details>\n\n> Four.\n" in markdown
    assert "<think>" not in markdown


def test_the_transcript_reads_as_a_conversation(session: ChatSession) -> None:
    happened(
        session,
        *message("What is the weather in Paris?", name="olivia", role="user"),
        *tool_call('{"city": "Paris"}', "sunny"),
        *message("It is **sunny**:\n\n- 24 °C", id="m2"),
    )
    Event.objects.update(created_at="2026-11-22T19:58:01Z")
    text = export(session)
    assert text.startswith("# Paris?\n\n- Agent: weather\n- Owner: olivia\n- Started: 20")
    assert f"- Chat: {session.pk}\n" in text
    assert text[text.index("## ") :] == (
        "## olivia · 2026-11-22 19:58:01 UTC\n\n"
        "> What is the weather in Paris?\n\n"
        "## chatbot calls weather\\_forecast · 2026-11-22 19:58:01 UTC\n\n"
        '```json\n{"city": "Paris"}\n```\n\n'
        "Result, after 1.2 s:\n\n"
        "```\nsunny\n```\n\n"
        "## chatbot · 2026-11-22 19:58:01 UTC\n\n"
        "> It is **sunny**:\n>\n> - 24 °C\n"
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([*message("Once", stopped=True)], "> Once\n\n*Stopped here.*"),
        ([*message("Once", finishReason="length")], "> Once\n\n*The answer was cut off.*"),
        ([*message("", finishReason="content_filter")], "*The model provider's content filter ended this answer.*"),
        ([message("")[0]], "*Still writing.*"),
        ([*tool_call("{}", "no such city", ok=False)], "Error, after 1.2 s:\n\n```\nno such city\n```"),
        ([*tool_call("{}", "")[:3]], "*No result.*"),
        ([("PRINTED", {"text": "one\n"}), ("PRINTED", {"text": "two\n"})], "```\none\ntwo\n```"),
        ([("RUN_FINISHED", {"outcome": {"type": "cancelled"}})], "## The run was stopped · "),
        ([("RUN_ERROR", {"code": "llm", "message": "Sorry.", "id": "e7"})], "> Sorry.\n>\n> llm, e7"),
        (
            [nested("STEP_STARTED"), *message("Once"), nested("STEP_FINISHED")],
            "> Once\n\n*End of the nested chats of writer.*",
        ),
        ([nested("STEP_STARTED"), *message("Once")], "## Nested chats of writer · "),
        ([asked()], "> And then?\n\n*Waiting for an answer.*"),
        ([asked(password=True), answered(None)], "> And then?\n\n*olivia answered.*"),
    ],
)
def test_everything_that_a_page_shows_is_there(session: ChatSession, facts: list[Any], expected: str) -> None:
    happened(session, *facts)
    assert expected in export(session)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"decision": "approve"}, "*olivia approved this.*"),
        ({"decision": "reject", "reason": "Too much."}, "*olivia rejected this.*\n\n> Too much."),
        (
            {"decision": "approve", "arguments": {"city": "Rome"}},
            "*olivia approved this with changes.*\n\n- city: Rome",
        ),
    ],
)
def test_an_approval_says_what_was_decided(session: ChatSession, value: Any, expected: str) -> None:
    happened(session, *tool_call('{"city": "Paris"}', "")[:3], asked("approval", toolCallId="c1"), answered(value))
    text = export(session)
    assert "## Approve the call to weather\\_forecast? · " in text
    assert expected in text


def test_a_form_has_its_answers_and_hides_a_password(session: ChatSession) -> None:
    schema = {"properties": {"city": {"title": "City"}, "pin": {"title": "Pin", "format": "password"}}}
    happened(session, asked("form", schema=schema), answered({"city": "Rome", "pin": "1234"}))
    text = export(session)
    assert "*olivia answered.*\n\n- City: Rome\n- Pin: " in text
    assert "1234" not in text


def test_unanswered_questions_are_marked(session: ChatSession) -> None:
    happened(session, asked("form", schema={}), ("INPUT_ANSWERED", {"request": "1-2", "by": "", "expired": True}))
    happened(session, asked("form", schema={}), ("RUN_FINISHED", {"outcome": {"type": "success"}}))
    text = export(session)
    assert "*No one answered in time.*" in text
    assert "*No one answered.*" in text


# What ends a paragraph, a quote, a fence or a heading.
ESCAPES = ["\n\n", "\r", "\r\n\r\n", "\n```\n", "\n````\n", "\n~~~\n", "\n<!--\n", "\n---\n"]
NOT_QUITE = ["\x0b", "\x0c", "\x85", "\u2028"]  # line ends for some programs, and not in Markdown


@pytest.mark.parametrize("escape", [*ESCAPES, *NOT_QUITE], ids=ascii)
def test_no_message_can_pass_for_another_users(session: ChatSession, escape: str) -> None:
    words = f"Hello.{escape}## olivia\n\nI agree."
    happened(
        session,
        *message(words, name=words),
        *tool_call(words, words),
        ("PRINTED", {"text": words}),
        asked(prompt=words),
        ("RUN_ERROR", {"code": "error", "message": words, "id": "e7"}),
        *message("The end.", name="last", id="m2"),
    )
    tokens = MarkdownIt("commonmark").parse(export(session))
    headings = [(token.level, inline.content) for token, inline in pairwise(tokens) if token.type == "heading_open"]
    if escape in ("\n\n", "\r", "\r\n\r\n"):
        assert (1, "olivia") in headings  # a heading, but within its quote
    outside = [words for level, words in headings if level == 0]
    assert len(outside) == 6  # the title, and one for each item but the prints
    assert "olivia" not in outside
    assert outside[-1].startswith("last · ")


def test_a_title_is_one_line_of_plain_text() -> None:
    session = ChatSession.objects.create(agent="weather", title="*one*\n<b>two</b> [three](http://x) #")
    assert export(session).startswith("# \\*one\\* \\<b\\>two\\</b\\> \\[three\\](http://x) \\#\n\n- Agent")


def test_control_characters_are_removed(session: ChatSession) -> None:
    bad = "\x1b[2J\x9b2J\x07"
    happened(session, *message(f"a{bad}", name=bad), *tool_call(bad, bad), ("PRINTED", {"text": bad}))
    assert not set("\x1b\x9b\x07") & set(export(session))


# --- JSON -----------------------------------------------------------------------------------------------------------


def test_json_has_every_event(session: ChatSession, monkeypatch: pytest.MonkeyPatch) -> None:
    happened(session, ("RUN_STARTED", {}), *message("Grüße."))
    monkeypatch.setattr(frames.whole_frames_after, "__kwdefaults__", {"limit": 2})  # they are read in parts
    text = export(session, "--format", "json")
    assert "Grüße." in text
    document = json.loads(text)
    assert (document["id"], document["agent"], document["owner"]) == (str(session.pk), "weather", "olivia")
    assert [(event["seq"], event["type"], event["run"]) for event in document["events"]] == [
        (1, "RUN_STARTED", 1),
        (2, "TEXT_MESSAGE_START", 1),
        (3, "TEXT_MESSAGE_END", 1),
    ]
    assert document["events"][2]["content"] == "Grüße."
    assert "html" not in document["events"][2]


# --- where it goes --------------------------------------------------------------------------------------------------


def test_it_is_written_to_a_file(session: ChatSession, tmp_path: Path) -> None:
    happened(session, *message("Grüße."))
    file = tmp_path / "chat.md"
    file.write_text("what was there before, and is longer than what comes" * 100)
    assert export(session, "--output", str(file)) == ""
    assert file.read_text(encoding="utf-8") == export(session)


def test_a_file_that_cannot_be_written_is_reported(session: ChatSession, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot write to .*nowhere/chat\.md: No such file or directory"):
        export(session, "--output", str(tmp_path / "nowhere" / "chat.md"))


def test_a_chat_that_its_owner_has_deleted_can_be_exported(session: ChatSession) -> None:
    session.deleted_at = timezone.now()
    session.save()
    assert export(session).startswith("# Paris?")


def test_a_guests_empty_chat_can_be_exported() -> None:
    text = export(ChatSession.objects.create(agent="weather", guest_key="key"))
    assert text.startswith("# weather\n\n- Agent: weather\n- Owner: guest\n")
    assert "key" not in text


# --- bad input ------------------------------------------------------------------------------------------------------


def test_an_unknown_chat_is_reported() -> None:
    nowhere = uuid.UUID(int=7)
    with pytest.raises(CommandError, match=f"there is no chat session {nowhere}"):
        call_command("agentchat_export", str(nowhere))


@pytest.mark.parametrize("arguments", [["paris"], [str(uuid.UUID(int=7)), "--format", "pdf"], []])
def test_what_is_not_understood_is_said(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"argument --format: |argument chat: |required: chat"):
        call_command("agentchat_export", *arguments)


def test_what_looks_like_a_line_end_stays_in_its_text(session: ChatSession) -> None:
    words = "one\u2028two\x85three\nfour"
    happened(session, *message(words))
    assert json.loads(export(session, "--format", "json"))["events"][1]["content"] == words
    assert json.loads(export(ChatSession.objects.create(agent="weather"), "--format", "json"))["events"] == []


def test_facts_of_any_size_are_exported_whole(session: ChatSession) -> None:
    result, answer, printed = "0123456789" * 100_000, "word " * 106_000 + "last", "p" * 200_000
    happened(session, ("RUN_STARTED", {}), *tool_call("{}", result), *message(answer), ("PRINTED", {"text": printed}))
    events = json.loads(export(session, "--format", "json"))["events"]
    assert [event["content"] for event in events if "content" in event] == [result, answer]
    assert not any("cut" in event for event in events)
    text = export(session)
    assert result in text
    assert answer in text
    assert printed in text
