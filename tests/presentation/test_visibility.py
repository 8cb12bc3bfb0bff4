"""What users see of tool calls: in items, in the HTML that is sent live, and in frames."""

from dataclasses import replace

import pytest

from agentchat.presentation import transcript
from agentchat.presentation.items import ToolCall
from agentchat.presentation.visibility import items_for_users
from agentchat.realtime.frames import trimmed
from agentchat.realtime.tool_visibility import hides_text
from tests.presentation.events import (
    ARGUMENTS,
    STARTED,
    answered,
    approval,
    args,
    asked,
    call_complete,
    called,
    end,
    nested,
    nested_end,
    numbered,
    result,
    start,
)
from tests.presentation.live_page import VIEWER, assert_live_is_what_a_reload_shows, outline

USER = replace(VIEWER, shows_details=False)
UNSURE = {
    "kind": "approval",
    "toolCallId": "c1",
    "unsure": True,
    "prompt": "refund was interrupted",
    "code": "outcome_unknown",
    "params": {"tool": "refund"},
}


def marked(visible, *facts):
    """The facts as a tool with this `visible` has them; None: it does not say."""
    extra = {} if visible is None else {"visible": visible}
    return [(type_, payload | (extra if type_.startswith("TOOL") else {})) for type_, payload in facts]


def call(visible, *, id="c1", tool="refund"):
    return marked(visible, called(id, tool), args(ARGUMENTS, id), call_complete(id), result("Paid to IBAN 7", id))


def unsure(visible):
    again = asked("r1", **{**UNSURE, **({} if visible is None else {"visible": visible})})
    return [*marked(visible, called("c1", "refund"), args(ARGUMENTS), call_complete()), again]


CHATS = {
    "the name of a call": [STARTED, *call("name"), start(), end("Done.")],
    "nothing of a call": [STARTED, *call("none"), start(), end("Done.")],
    "in nested chats": [STARTED, nested(), start(), end("Hm."), *call("none"), *call("name", id="c2"), nested_end()],
    "nothing else in nested chats": [STARTED, nested(), *call("none"), nested_end(), start(), end("Done.")],
    "the name of a call to repeat": [STARTED, *unsure("name"), answered(value={"decision": "approve"})],
    "nothing of a call to repeat": [STARTED, *unsure("none"), answered(value={"decision": "reject"})],
}


CHANGED = {"decision": "approve", "reason": "Fine.", "arguments": {"order_id": "A7"}}
OF_COLLEAGUES = {"colleague": True, "prompt": "Is A7 broken?", "initial": {"order_id": "A7"}, "digest": "IBAN"}


def by_colleague(visible, value, *, kind="approval", **more):
    """A question to a colleague, and the answer."""
    of_question = {"visible": visible, "colleague": True}
    question = asked("r1", **{**OF_COLLEAGUES, "kind": kind, "visible": visible, **more})
    return [question, answered("r1", value, kind=kind, **of_question)]


CHATS |= {
    f"the {part} of a call that a colleague has approved": [
        STARTED,
        *call(visible)[:3],
        *by_colleague(visible, CHANGED, toolCallId="c1"),
        call(visible)[3],
    ]
    for part, visible in (("name", "name"), ("absence", "none"))
}
CHATS["nothing of a text"] = [STARTED, *by_colleague("name", "A7 it is", kind="text")]
CHATS["nothing of a form"] = [STARTED, *by_colleague("name", {"decision": "A7", "reason": "IBAN"}, kind="form")]
CHATS["nothing of a call that a colleague lets repeat"] = [
    STARTED,
    *marked("none", called("c1", "refund"), args(ARGUMENTS), call_complete()),
    *by_colleague("none", {"decision": "approve"}, toolCallId="c1", unsure=True),
]


def html_for(viewer, facts):
    return str(outline(transcript.of_frames(numbered(facts)).items, viewer))


@pytest.mark.parametrize("name", CHATS)
def test_what_is_hidden_is_in_no_page_and_staff_see_it(name):
    facts = CHATS[name]
    assert_live_is_what_a_reload_shows(numbered(facts), USER)
    assert_live_is_what_a_reload_shows(numbered(facts), VIEWER)
    shown, all_of_it = html_for(USER, facts), html_for(VIEWER, facts)
    assert "A7" in all_of_it
    assert "A7" not in shown
    assert "IBAN" not in shown
    assert ("refund" in shown) == ("name" in name or name == "in nested chats")


@pytest.mark.parametrize("name", CHATS)
def test_what_is_hidden_is_in_no_frame_and_numbers_have_no_gaps(name):
    frames = numbered(CHATS[name])
    sent = [trimmed(frame, shows_usage=True, shows_details=False) for frame in frames]
    assert [each["seq"] for each in sent] == [each["seq"] for each in frames]
    assert "A7" not in str(sent)
    assert "IBAN" not in str(sent)
    assert ("refund" in str(sent)) == ("name" in name or name == "in nested chats")
    assert [trimmed(frame, shows_usage=True, shows_details=True) for frame in frames] == frames


def test_the_name_of_a_call_comes_with_how_it_went_and_no_size_of_what_is_hidden():
    [*_, returned] = numbered(call("name"))
    sent = trimmed({**returned, "cut": {"content": 530_000}}, shows_usage=True, shows_details=False)
    assert sent == {**returned, "content": ""}


@pytest.mark.parametrize(("site", "tool", "sees"), [
    ("none", None, "none"),
    ("none", "all", "all"),
    ("name", None, "name"),
    ("all", "none", "none"),
    ("all", None, "all"),
    ("all", "of a later version", "none"),
])  # fmt: skip
def test_a_tool_says_itself_what_is_seen_or_leaves_it_to_the_site(settings, site, tool, sees):
    settings.AGENTCHAT = {"SHOW_TOOLS": site}
    facts = call(tool)
    items = items_for_users(transcript.of_frames(numbered(facts)).items)
    seen = {"none": [], "name": [("refund", "", "")], "all": [("refund", ARGUMENTS, "Paid to IBAN 7")]}
    assert [(item.tool, item.args, item.result) for item in items if isinstance(item, ToolCall)] == seen[sees]
    assert [hides_text(type_, payload) for type_, payload in facts] == [sees != "all"] * len(facts)


def test_the_owner_sees_how_a_colleague_decides_and_why():
    frames = numbered([STARTED, *by_colleague("name", CHANGED, toolCallId="c1")])
    asked_, answer = [trimmed(each, shows_usage=True, shows_details=False) for each in frames[1:]]
    assert {"request": "r1", "kind": "approval", "toolCallId": "c1", "prompt": ""}.items() <= asked_.items()
    assert answer["value"] == {"decision": "approve", "reason": "Fine."}
    shown = html_for(USER, [STARTED, *call("name")[:3], *by_colleague("name", CHANGED, toolCallId="c1")])
    assert "A colleague decides about this" in shown
    assert "Approved by" in shown


def test_a_question_to_a_colleague_that_is_visible_is_shown():
    facts = [STARTED, *call("all")[:3], *by_colleague("all", CHANGED, toolCallId="c1")]
    assert "Is A7 broken?" in html_for(USER, facts)
    frames = numbered(facts)
    assert [trimmed(frame, shows_usage=True, shows_details=False) for frame in frames] == frames


def test_who_approves_a_call_sees_it_whatever_the_site_shows(settings):
    settings.AGENTCHAT = {"SHOW_TOOLS": "none"}
    facts = [STARTED, *call(None)[:3], approval(initial={"order_id": "A7"})]
    assert "A7" in html_for(USER, facts)
    assert "A7" in str([trimmed(frame, shows_usage=True, shows_details=False) for frame in numbered(facts)])
