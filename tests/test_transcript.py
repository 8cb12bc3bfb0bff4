"""Facts become what a person reads."""

import json

import pytest
from django.template.loader import render_to_string

from agentchat import transcript
from agentchat.readable import NOTHING
from agentchat.transcript import Ended, Error, Message, NestedChats, Printed, Request, ToolCall, UsageLine

AT = "2026-11-22T12:00:00.000+00:00"


def read(*facts):
    frames = [
        {"type": type_, "seq": seq, "at": AT, "run": 1, **payload} for seq, (type_, payload) in enumerate(facts, 1)
    ]
    return transcript.of_frames(frames)


def start(id="m1", role="assistant", name="chatbot"):
    return "TEXT_MESSAGE_START", {"messageId": id, "role": role, "name": name}


def end(content, id="m1", **more):
    return "TEXT_MESSAGE_END", {"messageId": id, "content": content, **more}


def called(id="c1", tool="forecast"):
    return "TOOL_CALL_START", {"toolCallId": id, "toolCallName": tool, "name": "chatbot"}


def args(args, id="c1"):
    return "TOOL_CALL_ARGS", {"toolCallId": id, "args": args}


def call_complete(id="c1"):
    return "TOOL_CALL_END", {"toolCallId": id}


def result(content, id="c1", ok=True):
    return "TOOL_CALL_RESULT", {"toolCallId": id, "messageId": "t1", "content": content, "ok": ok, "durationMs": 1234}


def printed(text):
    return "PRINTED", {"text": text}


def asked(request="r1", prompt="And then?", **more):
    return "INPUT_REQUESTED", {"request": request, "kind": "text", "prompt": prompt, **more}


def answered(request="r1", value="go on", **more):
    return "INPUT_ANSWERED", {"request": request, "value": value, "by": "ada", **more}


def approval(request="r1", id="c1", **more):
    return asked(request, "", kind="approval", toolCallId=id, schema=REFUND, **more)


def nested(name="writer"):
    return "STEP_STARTED", {"stepName": f"nested chats of {name}", "name": name}


def nested_end(name="writer"):
    return "STEP_FINISHED", {"stepName": f"nested chats of {name}", "name": name}


APPROVE = {"decision": "approve"}
REFUND = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "amount": {"type": "number", "title": "Euros"}},
    "required": ["order_id"],
}
ARGUMENTS = '{"order_id": "A7", "amount": 12}'
ASKED_ABOUT = called(tool="refund"), ("TOOL_CALL_ARGS", {"toolCallId": "c1", "args": ARGUMENTS})


STARTED = "RUN_STARTED", {}
FINISHED = "RUN_FINISHED", {"outcome": {"type": "success"}}
CANCELLED = "RUN_FINISHED", {"outcome": {"type": "cancelled"}}
FAILED = "RUN_ERROR", {"code": "llm_auth", "message": "The model refused our key.", "id": "e7c1a2"}


def kinds(read):
    return [item.kind for item in read.items]


# --- messages -------------------------------------------------------------------------------------------------------


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


def test_a_message_that_was_cut_off_says_so():
    [message] = read(start(), end("Once upon", stopped=True)).items
    assert message.stopped


@pytest.mark.parametrize("content", ["", " \n", "TERMINATE", "\nTERMINATE \n"])
def test_a_message_without_words_for_the_person_is_not_shown(content):
    assert read(start(), end(content)).items == []


def test_the_signal_to_the_program_stays_in_the_content_and_out_of_the_html():
    [message] = read(start(), end("Sunny.\n\nTERMINATE")).items
    assert message.content == "Sunny.\n\nTERMINATE"
    assert message.html == "<p>Sunny.</p>\n"


def test_messages_that_are_written_at_the_same_time_are_told_apart():
    first, second = read(start("m1"), start("m2"), end("two", "m2"), end("one", "m1")).items
    assert (first.content, second.content) == ("one", "two")


def test_an_end_without_a_start_is_read_over():
    assert read(end("lost", "m9")).items == []


# --- tools ----------------------------------------------------------------------------------------------------------


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
def test_a_tool_call_says_how_far_it_came(facts, state):
    assert read(STARTED, *facts).items[0].state == state


def test_a_result_belongs_to_the_last_unfinished_call_with_its_id():
    first, second = read(called(), call_complete(), result("one"), called(), call_complete(), result("two")).items
    assert (first.result, second.result) == ("one", "two")


def test_parallel_calls_keep_their_results_apart():
    first, second = read(
        called("a"), call_complete("a"), called("b"), call_complete("b"), result("of b", "b"), result("of a", "a")
    ).items
    assert (first.result, second.result) == ("of a", "of b")


# --- prints, questions, ends ----------------------------------------------------------------------------------------


def test_prints_in_a_row_are_one_text():
    items = read(printed("looking"), printed(" up\n"), start(), end("Sunny."), printed("x")).items
    assert [item.text for item in items if isinstance(item, Printed)] == ["looking up\n", "x"]


def test_an_empty_message_does_not_part_two_prints():
    [item] = read(printed("a"), start(), end(""), printed("b")).items
    assert item.text == "ab"


def test_a_question_is_open_until_it_is_answered():
    open_ = read(STARTED, asked(password=True))
    assert isinstance(open_.text_request, Request)
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
def test_a_question_says_what_it_is_about(more, asks):
    read_ = read(STARTED, asked(**more))
    assert read_.items[0].asks == asks
    assert (read_.text_request is None) == (asks != "text")  # else the composer asks it


def test_an_approval_shows_the_tool_and_its_arguments_and_holds_the_call():
    call, request = read(STARTED, *ASKED_ABOUT, call_complete(), approval()).items
    assert (call.state, request.tool) == ("held", "refund")
    assert request.arguments == [("Order id", "A7"), ("Euros", "12")]
    assert json.loads(request.initial_json) == {"order_id": "A7", "amount": 12}


@pytest.mark.parametrize(
    ("value", "state", "reason", "answer"),
    [
        (APPROVE, "approved", "", []),
        ({**APPROVE, "arguments": {"order_id": "A8"}}, "changed", "", [("Order id", "A8")]),
        ({"decision": "reject", "reason": "Too much"}, "rejected", "Too much", []),
        ({"decision": "reject"}, "rejected", "", []),
    ],
)
def test_an_answered_approval_says_what_was_decided_and_by_whom(value, state, reason, answer):
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
    assert (request.state, request.answer) == ("answered", [("Order id", "A7"), ("Euros", NOTHING)])


def test_a_question_that_nobody_answered_in_time_says_so():
    [request] = read(STARTED, asked(kind="form", schema=REFUND, expiresAt=AT), answered(value=None, expired=True)).items
    assert (request.state, request.expires, request.answer) == ("expired", AT, [])


def test_the_run_waits_until_the_last_of_several_questions_is_answered():
    facts = STARTED, approval("r1"), approval("r2", "c2"), answered("r1", APPROVE)
    assert read(*facts).state == "waiting"
    assert read(*facts, answered("r2", APPROVE)).state == "running"


def test_a_card_can_be_answered_where_somebody_may_and_only_while_it_is_open():
    def card(*facts, **context):
        return render_to_string("agentchat/transcript.html", {"items": read(STARTED, *facts).items, **context})

    form = asked(kind="form", schema=REFUND, initial={"order_id": "A7"})
    assert "data-controls hidden" in card(form, has_actions=True)
    assert "<noscript>" in card(form, has_actions=True)
    assert "data-controls" not in card(form)
    assert "data-controls" not in card(form, answered(value={"order_id": "A7"}), has_actions=True)


def test_a_stopped_run_says_so_and_one_that_ends_by_itself_says_nothing():
    assert kinds(read(STARTED, CANCELLED)) == ["ended"]
    assert isinstance(read(STARTED, CANCELLED).items[0], Ended)
    assert read(STARTED, FINISHED).items == []


def test_a_failed_run_leaves_kind_words_and_an_id():
    [error] = read(STARTED, FAILED).items
    assert isinstance(error, Error)
    assert (error.id, error.code, error.message) == ("e7c1a2", "llm_auth", "The model refused our key.")


# --- chats within the chat ------------------------------------------------------------------------------------------


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
def test_what_is_said_in_nested_chats_stands_in_them(facts, expected):
    assert outline(read(STARTED, *facts).items) == expected


def test_nested_chats_in_which_nobody_speaks_leave_no_trace():
    silence = nested(), nested("critic"), start(), end("TERMINATE"), nested_end("critic"), nested_end()
    assert [item.text for item in read(printed("a"), *silence, printed("b")).items] == ["ab"]


def test_what_a_person_says_unasked_is_not_folded_away():
    assert outline(read(STARTED, nested(), *SAID, *PERSON, *SAID).items) == [["message", "message"], "message"]


def test_what_a_person_answers_stands_with_its_question():
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


# --- how things stand -----------------------------------------------------------------------------------------------


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


def test_the_last_number_is_that_of_the_last_fact_even_if_nobody_shows_it():
    assert read(STARTED, ("SOMETHING_NEW", {})).last_seq == 2


def test_usage_is_added_up():
    usage = read(
        ("USAGE", {"model": "m", "promptTokens": 10, "completionTokens": 2, "cost": 0.5}),
        ("USAGE", {"model": "m", "promptTokens": 5, "completionTokens": 1}),
    ).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.tokens, usage.cost) == (15, 3, 18, 0.5)


def at(seconds, fact):
    type_, payload = fact
    return type_, {**payload, "at": f"2026-11-22T12:00:{seconds:02}.000+00:00"}


def used(prompt=1000, completion=234, **more):
    return "USAGE", {"model": "m", "promptTokens": prompt, "completionTokens": completion, **more}


def lines(*facts):
    return [item for item in read(*facts).items if isinstance(item, UsageLine)]


def test_the_line_about_usage_stands_at_the_end_and_leaves_out_the_time_of_waiting():
    (line,) = lines(
        at(0, STARTED),
        at(1, used(cost=0.0021)),
        at(2, approval()),
        at(30, answered(value={"decision": "approve"})),
        at(32, used(cost=0.5)),
        at(33, FINISHED),
    )
    assert (line.tokens_text, line.cost_text, line.seconds) == ("2,468", "0.5021", 5.0)


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (0.5, "0.50"),
        (1234.5, "1,234.50"),
        (0.00015, "0.0002"),  # as a browser rounds it; the nearest double is less
        (0.03125, "0.0313"),
        (0.00004, "0.00"),
        (0.0, ""),
    ],
)
def test_a_cost_is_written_as_the_page_writes_it_live(cost, text):
    (line,) = lines(STARTED, used(cost=cost), FINISHED)
    assert line.cost_text == text


def test_each_answer_has_its_line_where_the_run_goes_on():
    first, second = lines(at(0, STARTED), used(), at(3, asked()), at(20, answered()), used(1, 1), at(21, asked("r2")))
    assert (first.spent.tokens, first.seconds, second.spent.tokens, second.seconds) == (1234, 3.0, 2, 1.0)


def test_a_sum_with_an_unknown_cost_is_unknown():
    (line,) = lines(STARTED, used(cost=0.5), used(), FINISHED)
    assert line.cost_text == ""


def test_what_was_used_is_not_told_to_whoever_may_not_see_it():
    items = read(STARTED, used(cost=0.5), FINISHED).items
    assert "1,234" in render_to_string("agentchat/transcript.html", {"items": items, "shows_usage": True})
    assert "1,234" not in render_to_string("agentchat/transcript.html", {"items": items})
    unfinished = read(STARTED, used(cost=0.5))
    assert json.loads(unfinished.spent_json(may_see=True))["tokens"] == 1234
    assert json.loads(unfinished.spent_json(may_see=False))["tokens"] == 0


def test_an_error_can_be_tried_again_although_something_was_used():
    items = read(STARTED, used(), FAILED).items
    assert "data-retry hidden" not in render_to_string(
        "agentchat/transcript.html", {"items": items, "has_actions": True}
    )


def unread(*facts):
    return [item.content for item in read(*facts).items if isinstance(item, Message) and item.unread]


MEANWHILE = [start("u2", "user"), end("And then?", "u2")]


def test_what_is_said_meanwhile_is_unread_until_the_run_asks_or_ends():
    begun = [STARTED, start("u1", "user"), end("Hello", "u1"), start("a1")]
    assert unread(*begun) == []
    assert unread(*begun, *MEANWHILE) == ["And then?"]
    assert unread(*begun, *MEANWHILE, end("Hi", "a1")) == ["And then?"]
    for later in (asked(), FINISHED, FAILED, start("a2")):
        assert unread(*begun, *MEANWHILE, end("Hi", "a1"), later) == []


def test_what_answers_a_question_is_read():
    assert unread(STARTED, start("a1"), end("Hi", "a1"), asked(), *MEANWHILE) == []


@pytest.mark.parametrize(
    ("text", "is_long"), [("x\n" * 16, True), ("x\n" * 15, False), ("x" * 1501, True), ("x" * 1500, False)]
)
def test_long_texts_are_folded_where_they_can_be_unfolded(text, is_long):
    items = read(start(role="user"), end(text), called(), call_complete(), result(text)).items
    html = render_to_string("agentchat/transcript.html", {"items": items, "has_actions": True})
    assert html.count("folded") - html.count("if-folded") - html.count("if-unfolded") == (2 if is_long else 0)
    assert "folded" not in render_to_string("agentchat/transcript.html", {"items": items})


# --- the templates --------------------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def test_nothing_that_anybody_says_becomes_markup():
    items = read(
        start("u", "user", HOSTILE),
        end(HOSTILE, "u"),
        start("a", name=HOSTILE),
        end(HOSTILE, "a"),
        called(HOSTILE, HOSTILE),
        args(HOSTILE, HOSTILE),
        result(HOSTILE, HOSTILE),
        printed(HOSTILE),
        asked(HOSTILE, HOSTILE),
        called("c1", HOSTILE),
        args(json.dumps({HOSTILE: HOSTILE})),
        approval(HOSTILE, "c1", expiresAt=AT),
        answered(HOSTILE, {"decision": "reject", "reason": HOSTILE}),
        asked(HOSTILE, HOSTILE, kind="form", schema={"title": HOSTILE}, initial={HOSTILE: HOSTILE}),
        nested(HOSTILE),
        printed(HOSTILE),
        ("RUN_ERROR", {"code": "error", "message": HOSTILE, "id": HOSTILE}),
    ).items
    html = render_to_string("agentchat/transcript.html", {"items": items, "has_actions": True})
    assert html.count("&lt;script&gt;") >= 24  # it is all there, as text
    assert "<script" not in html
    assert "<img" not in html


def test_a_persons_words_stand_as_they_were_typed():
    items = read(start(role="user"), end("*one*\n  two")).items
    assert ">*one*\n  two</div>" in render_to_string("agentchat/transcript.html", {"items": items})


def test_only_the_last_error_can_be_tried_again_and_only_where_somebody_may():
    items = read(STARTED, FAILED, STARTED, FAILED).items
    html = render_to_string("agentchat/transcript.html", {"items": items, "has_actions": True})
    assert html.count("data-retry") == 2
    assert html.count("data-retry hidden") == 1
    assert "data-retry" not in render_to_string("agentchat/transcript.html", {"items": items})


def test_there_is_a_blank_for_each_kind_of_item():
    shown = {
        item_type.kind for item_type in (Message, ToolCall, Printed, Request, Error, Ended, NestedChats, UsageLine)
    }
    assert {blank.kind for blank in transcript.blanks().values()} == shown
