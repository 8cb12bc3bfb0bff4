"""Events become the items that users read."""

import json

import pytest
from django.template.loader import render_to_string

from agentchat.presentation.items import Message, NestedChats, PrintedText, RunFailed, RunStopped, ToolCall
from agentchat.presentation.json_rows import EMPTY
from agentchat.presentation.reader import TranscriptReader
from agentchat.presentation.requests import InputRequest
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
    call_complete,
    called,
    end,
    kinds,
    nested,
    nested_end,
    printed,
    read,
    result,
    start,
)

# --- messages --------------------------------------------------------------------------------------------------------


def test_a_message_is_its_start_and_its_end():
    [message] = read(start(), end("**Sunny.**")).items
    assert isinstance(message, Message)
    assert (message.id, message.role, message.name, message.content) == ("m1", "assistant", "chatbot", "**Sunny.**")
    assert (message.writing, message.stopped, message.seq) == (False, False, 1)
    assert message.at.isoformat() == "2026-11-22T12:00:00+00:00"
    assert message.html == "<p><strong>Sunny.</strong></p>\n"


def test_a_message_without_an_end_is_being_written():
    [message] = read(STARTED, start()).items
    assert message.writing


def test_a_message_that_was_cut_off_is_marked():
    [message] = read(start(), end("Once upon", stopped=True)).items
    assert message.stopped


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_the_model_left_incomplete_is_shown_even_without_text(reason):
    [message] = read(start(), end("", finishReason=reason)).items
    assert message.cut_off == reason


@pytest.mark.parametrize("content", ["", " \n", "TERMINATE", "\nTERMINATE \n"])
def test_a_message_without_text_is_not_shown(content):
    assert read(start(), end(content)).items == []


def test_the_signal_to_the_program_stays_in_the_content_and_out_of_the_html():
    [message] = read(start(), end("Sunny.\n\nTERMINATE")).items
    assert message.content == "Sunny.\n\nTERMINATE"
    assert message.html == "<p>Sunny.</p>\n"


def test_concurrent_messages_are_kept_apart():
    first, second = read(start("m1"), start("m2"), end("two", "m2"), end("one", "m1")).items
    assert (first.content, second.content) == ("one", "two")


def test_an_end_without_a_start_is_ignored():
    assert read(end("lost", "m9")).items == []


# --- tools -----------------------------------------------------------------------------------------------------------


def test_a_tool_call_has_its_arguments_result_and_time():
    [call] = read(called(), args('{"city": '), args('"Paris"}'), call_complete(), result("sunny")).items
    assert isinstance(call, ToolCall)
    assert (call.tool, call.agent, call.args, call.result) == ("forecast", "chatbot", '{"city": "Paris"}', "sunny")
    assert (call.state, call.seconds) == ("done", 1.234)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([called()], "asked"),
        ([called(), args("{}"), call_complete()], "running"),
        ([called(), args("{}"), call_complete(), result("no such city", ok=False)], "failed"),
        ([called(), args("{}"), call_complete(), CANCELLED], "cut"),
        ([called(), args("{}"), FAILED], "cut"),
    ],
)
def test_a_tool_call_has_its_state(facts, state):
    assert read(STARTED, *facts).items[0].state == state


def test_a_result_belongs_to_the_last_unfinished_call_with_its_id():
    first, second = read(called(), call_complete(), result("one"), called(), call_complete(), result("two")).items
    assert (first.result, second.result) == ("one", "two")


def test_parallel_calls_keep_their_results_apart():
    first, second = read(
        called("a"), call_complete("a"), called("b"), call_complete("b"), result("of b", "b"), result("of a", "a")
    ).items
    assert (first.result, second.result) == ("of a", "of b")


# --- printed text, questions, ends -----------------------------------------------------------------------------------


def test_prints_in_a_row_are_one_text():
    items = read(printed("looking"), printed(" up\n"), start(), end("Sunny."), printed("x")).items
    assert [item.text for item in items if isinstance(item, PrintedText)] == ["looking up\n", "x"]


def test_an_empty_message_does_not_separate_two_prints():
    [item] = read(printed("a"), start(), end(""), printed("b")).items
    assert item.text == "ab"


def test_a_question_is_open_until_it_is_answered():
    open_ = read(STARTED, asked(password=True))
    assert isinstance(open_.text_request, InputRequest)
    assert (open_.state, open_.text_request.prompt, open_.text_request.password) == ("waiting", "And then?", True)
    closed = read(STARTED, asked(), answered())
    assert (closed.state, closed.text_request, closed.items[0].is_open) == ("running", None, False)


def test_an_answer_to_another_question_leaves_this_one_open():
    assert read(STARTED, asked("r1"), answered("r0")).state == "waiting"


def test_the_end_of_a_run_closes_its_question():
    ended = read(STARTED, asked(), CANCELLED)
    assert (ended.state, ended.text_request, ended.items[0].state) == ("idle", None, "closed")


@pytest.mark.parametrize(
    ("more", "asks"),
    [
        ({}, "text"),
        ({"kind": "approval", "toolCallId": "c1"}, "approval"),
        ({"kind": "approval", "toolCallId": "c1", "unsure": True}, "unsure"),
        ({"kind": "approval"}, "limit"),
        ({"kind": "form", "schema": REFUND}, "form"),
    ],
)
def test_a_question_has_its_kind(more, asks):
    read_ = read(STARTED, asked(**more))
    assert read_.items[0].asks == asks
    assert (read_.text_request is None) == (asks != "text")  # else the composer asks it


def test_an_approval_shows_the_tool_and_its_arguments_and_holds_the_call():
    call, request = read(STARTED, *ASKED_ABOUT, call_complete(), approval()).items
    assert (call.state, request.tool) == ("held", "refund")
    assert request.arguments == [("Order id", "A7"), ("Euros", "12")]
    assert json.loads(request.initial_json) == {"order_id": "A7", "amount": 12}


@pytest.mark.parametrize("written", ["", "[" * 100_000, '{"a": ' * 15_000])
def test_arguments_that_are_no_json_are_shown_as_they_are(written):
    call = read(STARTED, called(), args(written), call_complete()).items[0]
    assert (call.args, call.rows) == (written, [])


@pytest.mark.parametrize("written", ["", '{"order_id": "A\n7", "amount": 12.0}'])
def test_an_approval_shows_the_arguments_as_they_were_read(written):
    loosely = called(tool="refund"), args(written), call_complete()
    request = read(STARTED, *loosely, approval(initial={"order_id": "A\n7", "amount": 12})).items[1]
    assert request.arguments == [("Order id", "A\n7"), ("Euros", "12")]
    assert json.loads(request.initial_json) == {"order_id": "A\n7", "amount": 12}


@pytest.mark.parametrize(
    ("value", "state", "reason", "answer"),
    [
        (APPROVE, "approved", "", []),
        ({**APPROVE, "arguments": {"order_id": "A8"}}, "changed", "", [("Order id", "A8")]),
        ({"decision": "reject", "reason": "Too much"}, "rejected", "Too much", []),
        ({"decision": "reject"}, "rejected", "", []),
    ],
)
def test_an_answered_approval_shows_the_decision_and_the_user(value, state, reason, answer):
    call, request = read(STARTED, *ASKED_ABOUT, call_complete(), approval(), answered(value=value)).items
    assert (request.state, request.by, request.reason, request.answer) == (state, "ada", reason, answer)
    assert call.state == ("refused" if state == "rejected" else "running")


def test_a_call_that_was_not_approved_of_is_not_one_that_failed():
    rejected = answered(value={"decision": "reject"})
    facts = *ASKED_ABOUT, call_complete(), approval(), rejected, result("The person did not approve.", ok=False)
    call = read(STARTED, *facts).items[0]
    assert (call.state, call.seconds, call.result) == ("refused", None, "The person did not approve.")


def test_an_answered_form_shows_what_was_filled_in():
    facts = asked(kind="form", schema=REFUND), answered(value={"order_id": "A7", "amount": None})
    [request] = read(STARTED, *facts).items
    assert (request.state, request.answer) == ("answered", [("Order id", "A7"), ("Euros", EMPTY)])


def test_an_expired_question_is_marked():
    [request] = read(STARTED, asked(kind="form", schema=REFUND, expiresAt=AT), answered(value=None, expired=True)).items
    assert (request.state, request.expires, request.answer) == ("expired", AT, [])


def test_the_run_waits_until_the_last_of_several_questions_is_answered():
    facts = STARTED, approval("r1"), approval("r2", "c2"), answered("r1", APPROVE)
    assert read(*facts).state == "waiting"
    assert read(*facts, answered("r2", APPROVE)).state == "running"


def test_a_card_can_be_answered_only_while_open_and_on_pages_with_actions():
    def card(*facts, **context):
        return render_to_string("agentchat/transcript.html", {"items": read(STARTED, *facts).items, **context})

    form = asked(kind="form", schema=REFUND, initial={"order_id": "A7"})
    assert "data-controls hidden" in card(form, has_actions=True)
    assert "<noscript>" in card(form, has_actions=True)
    assert "data-controls" not in card(form)
    assert "data-controls" not in card(form, answered(value={"order_id": "A7"}), has_actions=True)


def test_a_stopped_run_is_shown_and_a_finished_one_is_not():
    assert kinds(read(STARTED, CANCELLED)) == ["ended"]
    assert isinstance(read(STARTED, CANCELLED).items[0], RunStopped)
    assert read(STARTED, FINISHED).items == []


def test_a_failed_run_shows_its_message_and_an_id():
    [error] = read(STARTED, FAILED).items
    assert isinstance(error, RunFailed)
    assert (error.id, error.code, error.message) == ("e7c1a2", "llm_auth", "The model refused our key.")


# --- nested chats ----------------------------------------------------------------------------------------------------


SAID = start(), end("psst")
PERSON = start("p1", "user", "ada"), end("By the way", "p1")


def outline(items):
    """Each item's kind; of nested chats, what is in them."""
    return [outline(item.items) if isinstance(item, NestedChats) else item.kind for item in items]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([*SAID, nested(), *SAID, *SAID, nested_end(), *SAID], ["message", ["message", "message"], "message"]),
        ([nested(), nested("critic"), *SAID, nested_end("critic"), *SAID], [[["message"], "message"]]),
        ([nested(), *SAID, nested_end(), nested(), *SAID, nested_end()], [["message"], ["message"]]),
        ([nested(), nested("critic"), *SAID, nested_end(), *SAID], [[["message"]], "message"]),
        ([printed("a"), nested(), printed("b"), nested_end(), printed("c")], ["printed", ["printed"], "printed"]),
        ([nested(), *SAID, FAILED, STARTED, *SAID], [["message"], "error", "message"]),
        ([nested(), *SAID, CANCELLED], [["message"], "ended"]),
        ([nested_end(), *SAID], ["message"]),
    ],
)
def test_messages_of_nested_chats_are_shown_within_them(facts, expected):
    assert outline(read(STARTED, *facts).items) == expected


def test_empty_nested_chats_are_not_shown():
    silence = nested(), nested("critic"), start(), end("TERMINATE"), nested_end("critic"), nested_end()
    assert [item.text for item in read(printed("a"), *silence, printed("b")).items] == ["ab"]


def test_an_unprompted_user_message_is_not_part_of_nested_chats():
    assert outline(read(STARTED, nested(), *SAID, *PERSON, *SAID).items) == [["message", "message"], "message"]


def test_a_users_answer_is_shown_with_its_question():
    items = read(STARTED, nested(), asked(), *PERSON, answered(), *SAID).items
    assert outline(items) == [["request", "message", "message"]]


@pytest.mark.parametrize("over", [nested_end(), FINISHED, CANCELLED, FAILED])
def test_nested_chats_are_open_until_they_are_over(over):
    def is_open(*facts):
        items = read(STARTED, *facts).items
        return "data-unfinished open>" in render_to_string("agentchat/transcript.html", {"items": items})

    assert is_open(nested(), *SAID)
    assert not is_open(nested(), *SAID, over)


def test_a_card_in_nested_chats_can_be_answered_there():
    items = read(STARTED, nested(), *ASKED_ABOUT, approval()).items
    html = render_to_string("agentchat/transcript.html", {"items": items, "has_actions": True})
    assert "data-unfinished open>" in html
    assert "data-controls hidden" in html


# --- state -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([], "idle"),
        ([start(role="user"), end("Hi")], "queued"),
        ([STARTED, start(role="user"), end("Hi")], "running"),
        ([STARTED, asked()], "waiting"),
        ([STARTED, asked(), start(role="user"), end("yes"), answered()], "running"),
        ([STARTED, FINISHED], "idle"),
        ([STARTED, FAILED], "idle"),
        ([STARTED, FINISHED, STARTED], "running"),
    ],
)
def test_the_state_is_that_of_the_last_run(facts, state):
    assert read(*facts).state == state


def test_the_last_number_is_that_of_the_last_event_even_if_it_is_not_shown():
    assert read(STARTED, ("SOMETHING_NEW", {})).last_seq == 2


def test_usage_is_added_up():
    usage = read(
        ("USAGE", {"model": "m", "promptTokens": 10, "completionTokens": 2, "cost": 0.5}),
        ("USAGE", {"model": "m", "promptTokens": 5, "completionTokens": 1}),
    ).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.tokens, usage.cost) == (15, 3, 18, 0.5)


def unread(*facts):
    return [item.content for item in read(*facts).items if isinstance(item, Message) and item.unread]


MEANWHILE = [start("u2", "user"), end("And then?", "u2")]


def test_a_message_to_a_busy_agent_is_unread_until_the_run_asks_or_ends():
    begun = [STARTED, start("u1", "user"), end("Hello", "u1"), start("a1")]
    assert unread(*begun) == []
    assert unread(*begun, *MEANWHILE) == ["And then?"]
    assert unread(*begun, *MEANWHILE, end("Hi", "a1")) == ["And then?"]
    for later in (asked(), FINISHED, FAILED, start("a2")):
        assert unread(*begun, *MEANWHILE, end("Hi", "a1"), later) == []


def test_an_answer_to_a_question_is_read():
    assert unread(STARTED, start("a1"), end("Hi", "a1"), asked(), *MEANWHILE) == []


@pytest.mark.parametrize(
    ("text", "is_long"),
    [
        ("x\n" * 16, True),
        ("x\n" * 15, False),
        ("x" * 1501, True),
        ("x" * 1500, False),
        ("😀" * 751, True),  # as JavaScript counts
        ("😀" * 750, False),
    ],
)
def test_long_texts_are_truncated_where_they_can_be_expanded(text, is_long):
    items = read(start(role="user"), end(text), called(), call_complete(), result(text)).items
    html = render_to_string("agentchat/transcript.html", {"items": items, "has_actions": True})
    assert html.count("folded") - html.count("if-folded") - html.count("if-unfolded") == (2 if is_long else 0)
    assert "folded" not in render_to_string("agentchat/transcript.html", {"items": items})


def test_what_is_printed_in_many_pieces_is_put_together_once():
    reader = TranscriptReader()
    for seq in range(1, 4):
        reader.read("PRINTED", seq, None, {"text": f"{seq}\n"})
    [item] = reader.finish().items
    assert item.text == "1\n2\n3\n"
    assert item.pieces == ["1\n", "2\n", "3\n"]  # joining the whole for each piece took half a minute for 20,000
