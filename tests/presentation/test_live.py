"""What a page shows live is what it shows after a reload: fragments, applied in order, give the whole transcript."""

import pytest

from agentchat.presentation import transcript
from agentchat.presentation.live import Viewer, changes_of, fragments_of
from agentchat.presentation.reader import TranscriptReader
from tests.presentation.events import (
    APPROVE,
    ASKED_ABOUT,
    AT,
    CANCELLED,
    FAILED,
    FINISHED,
    REFUND,
    STARTED,
    answered,
    approval,
    args,
    asked,
    at,
    call_complete,
    called,
    end,
    nested,
    nested_end,
    numbered,
    printed,
    result,
    start,
)
from tests.presentation.live_page import (
    VIEWER,
    ShownPage,
    assert_live_is_what_a_reload_shows,
    fragments,
    is_partial,
    whole,
)

USED = "USAGE", {"model": "m", "promptTokens": 1200, "completionTokens": 34, "cost": 0.0021}
HELLO = start("u1", "user", "ada"), end("Hello", "u1")
REPLY = start("a1"), end("**Sunny.**", "a1")
MORE = start("u2", "user", "ada"), end("One more thing", "u2")
LONG = "line\n" * 40
HANDED_OVER = "HANDOVER_REQUESTED", {"request": "handover-3"}
TAKEN_OVER = "HANDOVER_REQUESTED", {"request": "handover-3", "taken": True}
SUMMED_UP = "HISTORY_SUMMARIZED", {"summary": "**Ada** has 3 chairs.", "messages": 17, "kept": 1, "first": "aa"}
JOINED = "HANDOVER_JOINED", {"request": "handover-3", "name": "Grace"}
BY_STAFF = start("s1", "staff", "Grace"), end("<b>Hello</b>\n" * 40, "s1")
WHOLE = {"decision": "approve", "arguments": {"order_id": "A8"}}
REFUSED = {"decision": "reject", "reason": "Too much"}
FORM = asked(kind="form", schema=REFUND, initial={"order_id": "A7"}, expiresAt=AT)

CHATS = {
    "a message": [*HELLO, STARTED, *REPLY, FINISHED],
    "two messages at once": [STARTED, start("m1"), start("m2"), end("two", "m2"), end("one", "m1")],
    "a message that is cut off": [STARTED, start(), end("Once upon", stopped=True), CANCELLED],
    "an answer of maximum length": [STARTED, start(), end("Once upon", finishReason="length"), FINISHED],
    "an answer that a filter ended": [STARTED, start(), end("", finishReason="content_filter"), FINISHED],
    "a message without an end": [STARTED, start(), FAILED, STARTED, *REPLY],
    "a message without text": [STARTED, printed("a"), start(), end("TERMINATE"), printed("b")],
    "an end without a start": [STARTED, end("lost", "m9")],
    "a long message": [start("u1", "user"), end(LONG, "u1")],
    "a tool call": [STARTED, called(), args('{"city": '), args('"Paris"}'), call_complete(), result(LONG)],
    "a failed call": [STARTED, called(), args("no JSON"), call_complete(), result("no", ok=False)],
    "a call that is cut": [STARTED, called(), args("{}"), call_complete(), CANCELLED],
    "a call that was only asked for": [STARTED, called(), args("{}"), FAILED],
    "calls with one id": [
        *(STARTED, called(), args("{}"), call_complete(), result("one")),
        *(called(), args("{}"), call_complete(), result("two")),
    ],
    "parallel calls": [
        *(STARTED, called("a"), args("{}", "a"), call_complete("a"), called("b"), args("{}", "b"), call_complete("b")),
        *(result("of b", "b"), result("of a", "a")),
    ],
    "prints": [STARTED, printed("one"), printed(" line\n"), *REPLY, printed("<two>"), nested(), printed("three")],
    "a question": [STARTED, USED, asked(), answered(), *REPLY, FINISHED],
    "a password": [STARTED, asked(password=True), answered(value=None)],
    "an answer to nothing": [STARTED, asked(), answered("r9")],
    "a stopped question": [STARTED, asked(), CANCELLED],
    "an approval": [STARTED, *ASKED_ABOUT, call_complete(), approval(), answered(value=APPROVE), result("done")],
    "a changed approval": [STARTED, *ASKED_ABOUT, call_complete(), approval(), answered(value=WHOLE), result("done")],
    "a rejected approval": [
        *(STARTED, *ASKED_ABOUT, call_complete(), approval(), answered(value=REFUSED)),
        result("The user did not approve.", ok=False),
    ],
    "an approval that is never given": [STARTED, *ASKED_ABOUT, call_complete(), approval(), FAILED],
    "a form": [STARTED, FORM, answered(value={"order_id": "A7", "amount": None})],
    "a form that expires": [STARTED, FORM, answered(value=None, expired=True)],
    "a limit": [STARTED, asked(kind="approval", code="limit_steps", params={"used": 9}), answered(value=APPROVE)],
    "nested chats": [*HELLO, STARTED, nested(), *REPLY, nested("critic"), start("m2"), end("Hm.", "m2"), nested_end()],
    "nested chats without a word": [STARTED, nested(), start(), end(""), nested_end(), *REPLY],
    "nested chats that are never finished": [STARTED, nested(), nested("critic"), start(), FAILED],
    "a user's message among nested chats": [STARTED, nested(), *REPLY, *MORE, start("m3"), end("Yes?", "m3")],
    "an asked message among nested chats": [STARTED, nested(), asked(), *MORE, answered(), nested_end()],
    "an approval in nested chats": [STARTED, nested(), *ASKED_ABOUT, call_complete(), approval(), CANCELLED],
    "a message that waits": [*HELLO, STARTED, start("a1"), *MORE, end("Hi", "a1"), start("a2"), end("Oh", "a2")],
    "a message that waits for the end": [*HELLO, STARTED, start("a1"), *MORE, FAILED],
    "usage": [at(1, STARTED), at(2, USED), at(3, asked()), at(9, answered()), at(10, USED), at(12, FAILED)],
    "a handover": [
        *(*HELLO, STARTED, USED, HANDED_OVER, *MORE, JOINED, *BY_STAFF),
        *(("HANDOVER_ENDED", {"request": "handover-3", "name": "Grace"}), SUMMED_UP, *REPLY, FINISHED),
    ],
    "a takeover of an agent that asks": [
        *(*HELLO, STARTED, asked(), answered(value=None, expired=True), TAKEN_OVER, JOINED, *BY_STAFF),
        *(("HANDOVER_ENDED", {"request": "handover-3", "name": "Grace"}), asked("r2")),
    ],
    "a handover that nobody came to": [
        *(*HELLO, STARTED, HANDED_OVER, *MORE),
        *(("HANDOVER_ENDED", {"request": "handover-3", "name": "", "expired": True}), *REPLY),
    ],
    "a handover that was stopped": [
        *(*HELLO, STARTED, HANDED_OVER, *MORE, ("HANDOVER_ENDED", {"request": "handover-3", "name": ""}), CANCELLED),
    ],
    "errors": [STARTED, FAILED, STARTED, CANCELLED, *HELLO],
}


@pytest.mark.parametrize("may_see_usage", [True, False])
@pytest.mark.parametrize("name", CHATS)
def test_the_fragments_of_events_make_the_page_that_a_reload_shows(name, may_see_usage):
    viewer = Viewer(language="en", is_open=True, shows_usage=may_see_usage, shows_details=True)
    assert_live_is_what_a_reload_shows(numbered(CHATS[name]), viewer)


@pytest.mark.parametrize("name", CHATS)
def test_a_page_that_was_loaded_at_any_event_goes_on_from_there(name):
    frames = numbered(CHATS[name])
    for count in range(len(frames)):
        if is_partial(frames[:count]):
            continue
        reader = TranscriptReader()
        for frame in frames[:count]:
            reader.read(frame["type"], frame["seq"], transcript.parse_datetime(frame["at"]), frame)
        page = ShownPage(whole(frames[:count], VIEWER))
        for frame in frames[count:]:
            for fragment in fragments(reader, frame, VIEWER):
                page.apply(fragment)
        assert page.elements == whole(frames, VIEWER), count


def test_an_event_that_changes_nothing_has_no_fragment():
    reader = TranscriptReader()
    assert [fragments(reader, frame, VIEWER) for frame in numbered([STARTED, USED, FINISHED])][:2] == [[], []]


def test_a_template_that_a_site_has_replaced_is_used_live(settings):
    ours = {"agentchat/_printed.html": '<pre data-key="{{ item.key }}">Ours: {{ item.text }}</pre>'}
    [engine] = settings.TEMPLATES
    loaders = [
        ("django.template.loaders.locmem.Loader", ours),
        ("django.template.loaders.filesystem.Loader", [*engine["DIRS"]]),
        "django.template.loaders.app_directories.Loader",
    ]
    options = {**engine["OPTIONS"], "loaders": loaders}
    settings.TEMPLATES = [{**engine, "APP_DIRS": False, "OPTIONS": options}]
    [frame] = numbered([printed("tea")])
    [fragment] = fragments(TranscriptReader(), frame, VIEWER)
    assert fragment == {"key": "printed-1", "html": '<pre data-key="printed-1">Ours: tea</pre>'}


def test_what_was_printed_is_sent_once():
    reader = TranscriptReader()
    sent = [fragments(reader, frame, VIEWER) for frame in numbered([printed("a" * 100), printed("b" * 100)])]
    assert sent[1] == [{"key": "printed-1", "text": "b" * 100}]


def test_a_reader_of_a_long_chat_keeps_only_what_is_unfinished():
    reader = TranscriptReader()
    for frame in numbered([*HELLO, STARTED, *REPLY * 50, start("a9")]):
        fragments(reader, frame, VIEWER)
    assert len(reader.finish().items) == 1
    assert not reader.boundaries[1:]


def test_what_is_printed_before_the_rendering_is_shown_once():
    first, second = numbered([printed("one\n"), printed("two\n")])
    reader = TranscriptReader()
    changes = [changes_of(reader, frame) for frame in (first, second)]
    [shown], [added] = (fragments_of(each, VIEWER) for each in changes)
    assert "one" in shown["html"]
    assert "two" not in shown["html"]
    assert added == {"key": shown["key"], "text": "two\n"}


def test_a_message_to_staff_has_no_edit_button():
    frames = numbered(
        [*HELLO, STARTED, HANDED_OVER, *MORE, ("HANDOVER_ENDED", {"request": "handover-3", "name": "Grace"})]
    )
    page = str(whole(frames, VIEWER))
    assert page.count("data-edit") == 1
    assert page.index("data-edit") < page.index("One more thing")
