"""Questions to people, in Chromium before a real site: approvals, forms, limits, secrets; in two tabs, and across a
server's death. `tests/asking` has the agent functions.
"""

import json
import re
import shutil
import signal

import pytest
from playwright.sync_api import expect

from agentchat.testing import ScriptedLLM, call, say
from tests.browser.axe import assert_accessible
from tests.browser.conftest import Tab
from tests.sites import Site


def clerk(request):
    """The model wants a refund paid, or what it is told to, and is done when it hears of it."""
    last = request["messages"][-1]
    if last["role"] == "tool":
        return say("That is settled. TERMINATE")
    return ORDERS.get(last["content"]) or call("refund", order="A-7", amount=12.5)


HASTE_S = 10  # so long the hasty desk waits: time to read the card and to fill it in
slow = call("refund", order="A-7", amount=1).paused()
HIDDEN = {"to": "\u202e54321ED\u202c", "number": 12345678901234567890, "tags": ["a", " b"]}
ORDERS = {"Slowly.": slow, "Stamp it.": call("stamp"), "Hidden.": call("transfer", **HIDDEN)}


@pytest.fixture(scope="module")
def llm():
    with ScriptedLLM() as llm:
        llm.always(clerk)
        yield llm


@pytest.fixture(scope="module")
def site(empty_database, tmp_path_factory, llm):
    """One site for all of these tests: each comes as a guest of its own."""
    environment = {"DJANGO_SETTINGS_MODULE": "tests.asking_site", "ASKING_EXPIRES_S": str(HASTE_S)}
    site = Site(tmp_path_factory.mktemp("site"), **environment, **llm.environment())
    shutil.copy(empty_database, site.database)
    site.start()
    yield site
    site.close()


@pytest.fixture
def own_site(empty_database, tmp_path):
    """Make a site, and a model, that one test has for itself."""
    sites: list[Site] = []
    with ScriptedLLM() as llm:
        llm.always(clerk)

        def make(**environment: str) -> tuple[Site, ScriptedLLM]:
            environment = {"DJANGO_SETTINGS_MODULE": "tests.asking_site", **llm.environment(), **environment}
            sites.append(site := Site(tmp_path, **environment))
            shutil.copy(empty_database, site.database)
            site.start()
            return site, llm

        yield make
        for site in sites:
            site.close()


@pytest.fixture
def tab(make_tab, site):
    return make_tab(site)


def card(tab):
    return tab.transcript.locator(".card").last


def button(tab, name):
    return card(tab).get_by_role("button", name=name, exact=True)


def state_is(tab, state):
    expect(card(tab)).to_have_attribute("data-state", state)


def value_of(tab):
    """What the last answer was, as it is stored."""
    return [f for f in tab.site.events(tab.session_id) if f["type"] == "INPUT_ANSWERED"][-1].get("value")


def markup(tab):
    """The transcript's elements, without the space between them."""
    return re.sub(r">\s+<", "><", tab.transcript.inner_html()).strip()


def assert_that_a_reload_shows_the_same(tab):
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    live = markup(tab)
    tab.page.reload()
    expect(tab.page.get_by_role("status")).to_contain_text("Connected")
    assert markup(tab) == live


def begin(tab, title, words="Please."):
    tab.open_agent(f"Chat with {title}")
    tab.say(words)
    state_is(tab, "open")


@pytest.fixture
def refund(tab):
    """A tab in which the model wants a refund paid, and a person is asked about it."""
    begin(tab, "Cash desk")
    return tab


def test_what_is_open_focused_and_selected_stays_when_the_call_goes_on(refund, make_tab):
    called = refund.transcript.locator(".tool")
    called.locator("summary").click()
    called.evaluate(
        "(call) => { call.mark = 1; getSelection().selectAllChildren(call.querySelector('[data-rows] dd')) }"
    )
    other = make_tab(refund.site)
    other.page.goto(refund.page.url)
    button(other, "Approve").click()
    expect(called).to_have_attribute("data-state", "done")
    assert called.evaluate("(call) => [call.mark, call.open, getSelection().toString()]") == [1, True, "A-7"]
    expect(called.locator("summary")).to_be_focused()


@pytest.fixture
def delivery(tab):
    """A tab with a form to fill in."""
    begin(tab, "Delivery desk")
    return tab


def fill_in(tab, **values):
    fields = {"Name": "Ada", "Email": "ada@example.org", "Reference": "AB-12", "Street": "Mill Lane 3", "City": "Bath"}
    for label, value in {**fields, **values}.items():
        card(tab).get_by_label(label).fill(value)


def send(tab):
    """Press Send, at the end of the form and of the page: what leads there goes away at the end, and the page moves."""
    tab.page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    expect(tab.page.get_by_role("button", name="Jump to latest")).to_be_hidden()
    button(tab, "Send").click()


# --- approvals ------------------------------------------------------------------------------------------------------


def test_a_tool_that_a_person_approves_of_is_called(refund):
    expect(card(refund)).to_contain_text("refund")
    expect(card(refund).locator("[data-arguments]")).to_contain_text("A-7")
    expect(refund.transcript.locator(".tool")).to_have_attribute("data-state", "held")
    button(refund, "Approve").click()
    refund.wait_for_frame("RUN_FINISHED")
    expect(card(refund)).to_contain_text("Approved by Guest")
    expect(card(refund).get_by_role("button")).to_have_count(0)
    assert refund.wait_for_frame("TOOL_CALL_RESULT")["content"] == "Paid 12.5 back for A-7."
    assert_that_a_reload_shows_the_same(refund)


def test_arguments_can_be_changed_before_they_are_approved(refund):
    button(refund, "Edit").click()
    expect(card(refund).get_by_label("Order")).to_be_focused()
    card(refund).get_by_label("Amount").fill("10")
    button(refund, "Approve with changes").click()
    refund.wait_for_frame("RUN_FINISHED")
    assert value_of(refund) == {"decision": "approve", "arguments": {"order": "A-7", "amount": 10}}
    expect(card(refund)).to_contain_text("Approved with changes by Guest")
    expect(card(refund).locator("[data-answer]")).to_contain_text("10")
    assert "Paid 10.0 back" in refund.wait_for_frame("TOOL_CALL_RESULT")["content"]
    assert_that_a_reload_shows_the_same(refund)


def test_what_was_opened_and_not_changed_is_approved_as_it_is(refund):
    button(refund, "Edit").click()
    button(refund, "Approve with changes").click()
    state_is(refund, "approved")
    assert value_of(refund) == {"decision": "approve"}


def test_a_form_that_complains_covers_neither_its_field_nor_its_button(refund):
    refund.page.set_viewport_size({"width": 390, "height": 640})
    button(refund, "Edit").click()
    for field in card(refund).get_by_role("textbox").all():
        field.fill("")
    button(refund, "Approve with changes").click()
    invalid = card(refund).locator("[aria-invalid=true]").first
    expect(invalid).to_be_focused()
    for element in (button(refund, "Approve with changes"), invalid):
        assert element.evaluate(
            """(element) => {
              const { left, top, width, height } = element.getBoundingClientRect();
              return element.contains(document.elementFromPoint(left + width / 2, top + height / 2));
            }"""
        )


def test_a_rejected_call_is_not_made_and_the_model_reads_why(refund, llm):
    button(refund, "Reject").click()
    card(refund).get_by_label("Reason").fill("Not without a receipt.")
    button(refund, "Reject").click()
    refund.wait_for_frame("RUN_FINISHED")
    expect(card(refund)).to_contain_text("Rejected by Guest")
    expect(card(refund).locator("[data-reason]")).to_have_text("Not without a receipt.")
    result = refund.wait_for_frame("TOOL_CALL_RESULT")
    assert not result["ok"]
    expect(refund.transcript.locator(".tool")).to_contain_text("not run")
    heard = [request["messages"][-1]["content"] for request in llm.requests]
    assert any("Not without a receipt." in words for words in heard)
    assert_that_a_reload_shows_the_same(refund)


def test_whoever_comes_back_to_a_question_has_the_focus_there_unless_they_were_writing(refund):
    refund.page.reload()
    expect(card(refund)).to_be_focused()
    message = refund.page.get_by_role("textbox", name="Message")
    message.fill("Half a se")
    refund.page.reload()
    expect(message).to_be_focused()
    expect(message).to_have_value("Half a se")


def test_the_keyboard_alone_decides(refund):
    keyboard = refund.page.keyboard
    expect(card(refund)).to_be_focused()  # the composer had the focus, and was empty
    keyboard.press("Tab")
    expect(button(refund, "Approve")).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(card(refund).get_by_label("Reason")).to_be_focused()
    keyboard.press("Escape")
    expect(button(refund, "Approve")).to_be_focused()
    keyboard.press("Enter")
    state_is(refund, "approved")
    expect(refund.page.get_by_label("Message")).to_be_focused()


def test_a_card_does_not_take_the_focus_from_somebody_who_writes(tab):
    tab.open_agent("Chat with Cash desk")
    tab.say("Slowly.")
    tab.wait_for_frame("RUN_STARTED")
    tab.page.get_by_label("Message").fill("half a thought")
    slow.release()
    state_is(tab, "open")
    expect(tab.page.get_by_label("Message")).to_be_focused()
    button(tab, "Approve").click()
    state_is(tab, "approved")
    expect(tab.page.get_by_label("Message")).to_have_value("half a thought")


def test_a_message_may_be_sent_while_a_decision_waits(refund):
    refund.page.get_by_label("Message").fill("By the way")
    refund.page.get_by_label("Message").press("Enter")
    expect(refund.transcript.locator(".from-person .words").last).to_have_text("By the way")
    state_is(refund, "open")
    button(refund, "Approve").click()
    state_is(refund, "approved")


def test_the_first_answer_wins_and_closes_the_card_in_the_other_tab(refund, make_tab):
    second = make_tab(refund.site)
    second.page.goto(refund.page.url)
    expect(second.page.get_by_role("status")).to_contain_text("Waiting")
    button(second, "Reject").click()
    card(second).get_by_label("Reason").fill("Never mind")
    button(refund, "Approve").click()
    for each in (refund, second):
        expect(each.transcript.locator(".card")).to_contain_text("Approved by Guest")
        expect(each.transcript.locator(".card").get_by_role("textbox")).to_have_count(0)


def test_whoever_answers_too_late_is_told_so(refund, make_tab, context):
    """The other tab has no connection while this one answers, and sends its own answer afterwards."""
    late = make_tab(refund.site)
    late.page.goto(refund.page.url)
    expect(late.page.get_by_role("status")).to_contain_text("Waiting")
    late.page.evaluate("navigator.__defineGetter__('onLine', () => false); dispatchEvent(new Event('offline'))")
    expect(late.page.get_by_role("status")).to_contain_text("offline")
    button(late, "Approve").click()
    state_is(late, "sending")
    button(refund, "Reject").click()
    button(refund, "Reject").click()
    state_is(refund, "rejected")
    late.page.evaluate("navigator.__defineGetter__('onLine', () => true); dispatchEvent(new Event('online'))")
    state_is(late, "rejected")
    expect(late.page.get_by_role("alert").filter(has_text="already been answered")).to_be_visible()


def test_a_stopped_run_closes_its_card(refund):
    refund.site.manage("agentchat_runs", "stop", refund.session_id)
    state_is(refund, "closed")
    expect(card(refund).get_by_role("button")).to_have_count(0)
    assert_that_a_reload_shows_the_same(refund)


# --- forms ----------------------------------------------------------------------------------------------------------


def test_a_form_has_a_field_of_its_kind_for_each_property(delivery):
    def type_of(label):
        return card(delivery).get_by_label(label).evaluate("field => field.type")

    types = {"Name": "text", "Email": "email", "Parcels": "number", "Day": "date", "Insured": "checkbox"}
    assert {label: type_of(label) for label in types} == types
    assert type_of("Remarks") == "textarea"
    expect(card(delivery).get_by_role("group", name="Address").get_by_label("City")).to_be_visible()
    expect(card(delivery).get_by_role("group", name="Speed").get_by_role("radio")).to_have_count(2)
    expect(card(delivery).get_by_label("Parcels")).to_have_value("1")
    expect(card(delivery).get_by_label("City")).to_have_accessible_description("As on the letter box")


def test_what_is_filled_in_comes_back_as_the_models_instance(delivery):
    fill_in(delivery, Parcels="3", Day="2026-12-24", Tags="red\nblue\n", Remarks="Ring\ntwice")
    card(delivery).get_by_label("express").check()
    card(delivery).get_by_label("Insured").check()
    send(delivery)
    delivery.wait_for_frame("RUN_FINISHED")
    assert value_of(delivery) == {
        "name": "Ada",
        "email": "ada@example.org",
        "reference": "AB-12",
        "parcels": 3,
        "day": "2026-12-24",
        "speed": "express",
        "insured": True,
        "address": {"street": "Mill Lane 3", "city": "Bath"},
        "remarks": "Ring\ntwice",
        "tags": ["red", "blue"],
    }
    expect(delivery.transcript.locator(".printed")).to_have_text("It goes to Ada, Bath.")
    expect(card(delivery)).to_contain_text("Filled in by Guest")
    assert_that_a_reload_shows_the_same(delivery)


def test_the_servers_objection_stands_at_its_field_until_it_is_mended(delivery):
    fill_in(delivery, Reference="nonsense")
    send(delivery)
    field = card(delivery).get_by_label("Reference")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_be_focused()
    expect(field).to_be_in_viewport()
    assert delivery.wait_for_frame("rejected")["errors"].keys() == {"reference"}
    expect(field).to_have_accessible_description(re.compile("Like AB-12 .*match the required format"))
    expect(card(delivery).get_by_label("Name")).to_have_value("Ada")
    field.fill("AB-12")
    expect(field).not_to_have_attribute("aria-invalid", "true")
    send(delivery)
    delivery.wait_for_frame("RUN_FINISHED")
    state_is(delivery, "answered")


def test_what_is_missing_is_said_before_anything_is_sent(delivery):
    fill_in(delivery, Name="", Parcels="12")
    send(delivery)
    expect(card(delivery).get_by_label("Name")).to_be_focused()
    expect(card(delivery).locator("[aria-invalid=true]")).to_have_count(2)
    state_is(delivery, "open")
    assert not any(f["type"] == "INPUT_ANSWERED" and f["request"] != "1-1" for f in delivery.facts())


@pytest.mark.parametrize(
    ("label", "value", "words"),
    [
        ("Name", "", "Pflichtfeld"),
        ("Email", "nonsense", "Das hat nicht das verlangte Format."),
        ("Parcels", "0", "Zu klein: Die Grenze ist 1."),
        ("Parcels", "12", "Zu groß: Die Grenze ist 9."),
        ("Parcels", "1.5", "Geben Sie eine ganze Zahl ein."),
    ],
)
def test_what_is_wrong_is_said_in_the_pages_language(delivery, context, site, label, value, words):
    context.add_cookies([{"name": "django_language", "value": "de", "url": site.url}])
    delivery.page.reload()
    fill_in(delivery, **{label: value})
    card(delivery).locator("button[value=fill]").click()
    field = card(delivery).get_by_label(label)
    expect(field).to_be_focused()
    expect(field).to_have_accessible_description(re.compile(re.escape(words)))


def test_a_high_form_is_shown_from_its_beginning(tab):
    tab.page.set_viewport_size({"width": 390, "height": 600})
    begin(tab, "Delivery desk")
    expect(card(tab).get_by_text("Where shall it go?")).to_be_in_viewport()


# --- what is typed is kept ------------------------------------------------------------------------------------------


def test_what_is_typed_into_a_card_and_not_sent_outlives_a_reload(delivery):
    fill_in(delivery, Name="Ada, half")
    card(delivery).get_by_label("express").check()
    delivery.page.reload()
    expect(card(delivery).get_by_label("Name")).to_have_value("Ada, half")
    expect(card(delivery).get_by_label("express")).to_be_checked()
    expect(card(delivery).get_by_label("Street")).to_have_value("Mill Lane 3")


def test_a_message_that_is_not_sent_outlives_a_reload_and_is_gone_when_it_is(tab):
    tab.open_agent("Chat with Delivery desk")
    field = tab.page.get_by_label("Message")
    field.fill("half a thought")
    tab.page.reload()
    expect(field).to_have_value("half a thought")
    field.press("Enter")
    state_is(tab, "open")
    tab.page.reload()
    expect(field).to_have_value("")


@pytest.mark.faults
def test_a_killed_server_takes_nothing_of_a_half_typed_reason(make_tab, own_site):
    site, _ = own_site(AGENTCHAT_LEASE_S="2")
    tab = make_tab(site)
    begin(tab, "Cash desk")
    button(tab, "Reject").click()
    card(tab).get_by_label("Reason").fill("Not without")
    site.stop(signal.SIGKILL)
    expect(tab.page.get_by_role("status")).to_contain_text("Connection lost")
    expect(card(tab).get_by_label("Reason")).to_have_value("Not without")
    site.start()
    expect(tab.page.get_by_role("status")).to_contain_text("Waiting for your answer")
    tab.page.reload()
    card(tab).get_by_label("Reason").press_sequentially(" a receipt.")
    button(tab, "Reject").click()
    tab.wait_for_frame("RUN_FINISHED")
    expect(card(tab).locator("[data-reason]")).to_have_text("Not without a receipt.")


# --- calls that may have been made, and limits ----------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize(("choice", "outcome"), [("Run again", "Rerun approved by"), ("Skip", "Skipped by")])
def test_a_person_says_what_to_do_about_a_call_that_may_have_been_made(make_tab, own_site, tmp_path, choice, outcome):
    mark = tmp_path / "stamped"
    site, llm = own_site(AGENTCHAT_LEASE_S="2", ASKING_MARK=str(mark))
    tab = make_tab(site)
    tab.open_agent("Chat with Cash desk")
    tab.say("Stamp it.")
    tab.wait_until(mark.exists, what="the tool did not begin")
    site.stop(signal.SIGKILL)
    site.start()
    state_is(tab, "open")
    expect(card(tab)).to_contain_text("may or may not have finished")
    button(tab, choice).click()
    expect(card(tab)).to_contain_text(outcome)
    tab.wait_for_frame("RUN_FINISHED")
    assert ("Stamped." in llm.requests[-1]["messages"][-1]["content"]) == (choice == "Run again")
    assert_that_a_reload_shows_the_same(tab)


@pytest.mark.parametrize(("choice", "outcome"), [("Continue", "Continued by"), ("End here", "Ended by")])
def test_a_person_says_whether_a_run_may_go_on_beyond_its_limit(make_tab, own_site, choice, outcome):
    site, _ = own_site(AGENTCHAT_MAX_STEPS="1")
    tab = make_tab(site)
    begin(tab, "Cash desk")
    button(tab, "Approve").click()
    limit = tab.transcript.locator(".card[data-asks=limit]").first
    expect(limit).to_contain_text("Continue?")
    limit.get_by_role("button", name=choice).click()
    expect(limit).to_contain_text(outcome)
    if choice == "End here":
        tab.wait_for_frame("RUN_ERROR")
        expect(tab.transcript.locator(".tool")).to_have_attribute("data-state", "cut")
    else:
        tab.wait_for_frame("TOOL_CALL_RESULT")


# --- time limits, secrets, places in a line -------------------------------------------------------------------------


def test_a_card_says_how_long_it_waits_and_closes_with_what_was_typed(tab):
    begin(tab, "Hasty desk")
    expect(card(tab).locator("[data-until]")).to_have_text(re.compile(r"Expires in \d+ seconds?"))
    card(tab).get_by_label("Word").fill("typed in vain")
    expect(card(tab)).to_contain_text("No one answered in time.", timeout=(HASTE_S + 20) * 1000)
    for _ in range(2):
        state_is(tab, "expired")
        expect(card(tab).get_by_label("Word")).to_have_value("typed in vain")
        expect(card(tab).get_by_label("Word")).not_to_be_editable()
        expect(card(tab).get_by_role("button")).to_have_count(0)
        tab.wait_for_frame("RUN_ERROR")
        tab.page.reload()


def test_a_secret_is_typed_unseen_and_kept_nowhere(tab):
    tab.open_agent("Chat with Secret desk")
    tab.say("Open the door.")
    secret = tab.page.get_by_label("Secret answer")
    secret.fill("hunter2")
    tab.page.reload()
    expect(secret).to_have_value("")
    secret.fill("hunter2")
    secret.press("Enter")
    tab.wait_for_frame("RUN_FINISHED")
    expect(tab.transcript.locator(".printed")).to_have_text("It has 7 characters.")
    assert "hunter2" not in tab.page.content()
    assert "hunter2" not in tab.page.evaluate("JSON.stringify({...sessionStorage})")
    assert "hunter2" not in json.dumps(tab.site.events(tab.session_id))


def test_the_status_says_how_many_are_ahead(make_tab, own_site):
    site, llm = own_site(AGENTCHAT_MAX_RUNS="1")
    tabs: list[Tab] = [make_tab(site) for _ in range(3)]
    answers = [say("TERMINATE").paused() for _ in tabs]
    llm.replies(*answers)
    for each in tabs:
        each.page.goto(f"{site.url}/chat/")
        each.page.get_by_role("button", name="Chat with Cash desk").click()
        expect(each.page.get_by_role("status")).to_contain_text("Connected")
        each.say("Please.")
        each.wait_for_frame("RUN_STARTED")
    expect(tabs[1].page.get_by_role("status")).to_contain_text("Next in line")
    expect(tabs[2].page.get_by_role("status")).to_contain_text("1 ahead of you")
    for each, answer in zip(tabs, answers, strict=True):
        answer.release()
        each.wait_for_frame("RUN_FINISHED")
        expect(each.page.get_by_role("status")).to_contain_text("Connected")


# --- who reads it how -----------------------------------------------------------------------------------------------


def test_every_digit_and_character_is_shown_and_kept_through_editing(tab):
    begin(tab, "Cash desk", "Hidden.")
    for shown in (r'"\u202e54321ED\u202c"', "12345678901234567890", '["a"," b"]', "Characters that cannot be seen"):
        expect(card(tab)).to_contain_text(shown)
    assert "\u202e" not in tab.transcript.inner_text()
    live = card(tab).inner_text()
    tab.page.reload()
    expect(button(tab, "Approve")).to_be_visible()
    assert card(tab).inner_text() == live
    button(tab, "Edit").click()
    expect(card(tab).get_by_label("To")).to_have_value(r'"\u202e54321ED\u202c"')
    expect(card(tab).get_by_label("Number")).to_have_value("12345678901234567890")
    card(tab).get_by_label("Note").fill("seen")
    button(tab, "Approve with changes").click()
    state_is(tab, "changed")
    assert value_of(tab) == {"decision": "approve", "arguments": {**HIDDEN, "note": "seen"}}
    expect(tab.transcript.locator("[data-result]")).to_have_text(
        r"The person changed the arguments to "
        + json.dumps({**HIDDEN, "note": "seen"})
        + ".\nTransferred 12345678901234567890 to '\\u202e54321ED\\u202c', seen"
    )
    expect(card(tab)).to_contain_text("12345678901234567890")
    assert_that_a_reload_shows_the_same(tab)


def test_axe_finds_nothing_on_cards_in_any_state(refund):
    button(refund, "Edit").click()
    card(refund).get_by_label("Amount").fill("")
    button(refund, "Approve with changes").click()
    expect(card(refund).locator("[aria-invalid=true]")).to_have_count(1)
    assert_accessible(refund.page)
    button(refund, "Back").click()
    button(refund, "Reject").click()
    assert_accessible(refund.page)
    button(refund, "Reject").click()
    state_is(refund, "rejected")
    assert_accessible(refund.page)


def test_without_javascript_a_card_says_what_it_would_take_to_answer(refund, chromium, context):
    plain = chromium.new_context(java_script_enabled=False, storage_state=context.storage_state()).new_page()
    plain.goto(refund.page.url)
    assert "Turn on JavaScript" in plain.locator(".card noscript").text_content()
    expect(plain.locator(".card").get_by_role("button")).to_have_count(0)
    plain.context.close()
    button(refund, "Approve").click()
    state_is(refund, "approved")
