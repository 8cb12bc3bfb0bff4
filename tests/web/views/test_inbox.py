"""The inbox: what colleagues see of the questions that are for them, and how they answer."""

import re
import uuid

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from agentchat.actions import staff_inbox
from agentchat.core import registry
from agentchat.models import ChatSession, DelegatedQuestion, Event, InboxItem, Run
from agentchat.realtime.frames import frame_of, trimmed
from agentchat.templatetags import agentchat as agentchat_tags
from tests.factories import account, said, signed_in, tell

PAY = {
    "type": "object",
    "properties": {
        "to": {"type": "string"},
        "euros": {"type": "number", "description": "At most 100"},
        "kind": {"enum": ["refund", "gift"], "type": "string"},
        "urgent": {"type": "boolean", "default": False},
        "parts": {"type": "array", "items": {"type": "integer"}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
    },
    "required": ["to", "euros"],
    "additionalProperties": False,
}
CALL = {"to": "Umbrella Corp", "euros": 12.5, "parts": [1, 2]}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(settings):
    settings.AGENTCHAT = {"GUESTS": True}
    registry.on_connect("oracle", title="The oracle")(lambda iostream: iostream.input())
    yield
    registry.unregister("oracle")


@pytest.fixture
def grace():
    user = account("grace")
    user.groups.add(Group.objects.create(name="support"))
    return user


@pytest.fixture
def chat():
    return tell(
        ChatSession.objects.create(agent="oracle", title="Umbrella", owner=account("ada")),
        ("RUN_STARTED", {}),
        *said("u1", "What about my umbrella?", "user", "ada"),
        status=Run.Status.WAITING,
    )


def ask(chat, *, kind="approval", request="1-4", **more):
    asked = {"request": request, "kind": kind, "prompt": "", "colleague": True, "visible": "name", **more}
    if kind == "approval":
        asked = {"schema": PAY, "initial": CALL, "toolCallId": "c1", **asked}
    return DelegatedQuestion.objects.create(
        session=chat,
        run=chat.runs.get(),
        request=request,
        question=asked,
        tool="pay" if kind == "approval" else "",
        to_kind="group",
        to_value="support",
        asked_at=timezone.now(),
    )


def page_of(question):
    return reverse("agentchat:inbox_question", args=[question.pk])


def post(user, question, **data):
    return signed_in(user).post(page_of(question), {"id": str(uuid.uuid4()), **data})


def main_of(response):
    return response.content.decode().split("<main")[1]


def test_the_inbox_has_what_is_for_its_user_with_its_age(chat, grace):
    question = ask(chat)
    page = main_of(signed_in(grace).get(reverse("agentchat:inbox")))
    assert page_of(question) in page
    assert "The oracle" in page
    assert "ada" in page
    assert "Age: 0" in page
    assert "<title>(1) Inbox</title>" in signed_in(grace).get(reverse("agentchat:inbox")).content.decode()
    assert "Nothing is waiting for you." in main_of(signed_in(account("eve")).get(reverse("agentchat:inbox")))


def test_the_inbox_is_filtered_by_agent_and_says_what_became_of_questions(chat, grace):
    ask(chat)
    closed = ask(chat, request="1-2")
    DelegatedQuestion.objects.filter(pk=closed.pk).update(closed_at=timezone.now(), outcome="cancelled")
    client, inbox = signed_in(grace), reverse("agentchat:inbox")
    assert "pay" in main_of(client.get(inbox, {"agent": "oracle"}))
    assert "Nothing is waiting for you." in main_of(client.get(inbox, {"agent": "weather"}))
    page = main_of(client.get(inbox, {"closed": 1}))
    assert "canceled" in page
    assert page_of(closed) in page


def test_the_chosen_tab_and_agent_are_marked(chat, grace):
    ask(chat)
    for data, marked in (
        ({}, ["Open questions"]),
        ({"closed": 1}, ["Closed questions"]),
        ({"agent": "oracle"}, ["Open questions", "The oracle"]),
        ({"agent": "weather", "closed": 1}, ["Closed questions"]),
    ):
        page = main_of(signed_in(grace).get(reverse("agentchat:inbox"), data))
        assert re.findall(r'aria-current="\w+">([^<]+)<', page) == marked


def test_a_question_that_is_closed_says_what_became_of_it_and_has_no_form(chat, grace):
    question = ask(chat)
    heidi = account("heidi")
    DelegatedQuestion.objects.update(closed_at=timezone.now(), outcome="answered", answered_by=heidi)
    response = signed_in(grace).get(page_of(question))
    assert response.status_code == 200
    page = main_of(response)
    assert "heidi has answered this question." in page
    assert "Umbrella Corp" in page
    assert 'name="decision"' not in page
    late = post(grace, question, decision="approve")
    assert (late.status_code, InboxItem.objects.count()) == (409, 0)
    assert "heidi has answered this question." in main_of(late)
    assert signed_in(account("eve")).get(page_of(question)).status_code == 404
    DelegatedQuestion.objects.update(outcome="cancelled", answered_by=None)
    assert "answered any more" in main_of(signed_in(grace).get(page_of(question)))


def test_a_question_shows_what_it_is_about_and_its_chat_to_those_who_may_read_it(chat, grace):
    question = ask(chat)
    page = main_of(signed_in(grace).get(page_of(question)))
    assert "Umbrella Corp" in page
    assert "12.5" in page
    assert "What about my umbrella?" not in page
    grace.user_permissions.add(Permission.objects.get(codename="view_chatsession"))
    assert "What about my umbrella?" in main_of(signed_in(grace).get(page_of(question)))


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ({"decision": "approve"}, {"decision": "approve"}),
        ({"decision": "reject", "reason": " No. "}, {"decision": "reject", "reason": "No."}),
        ({"decision": "reject"}, {"decision": "reject"}),
        (
            {"decision": "change", "field-to": "Ada", "field-euros": "7", "field-parts": "[3]", "field-urgent": "1"},
            {"decision": "approve", "arguments": {"to": "Ada", "euros": 7, "parts": [3], "urgent": True}},
        ),
    ],
)
def test_a_decision_is_taken(chat, grace, sent, value):
    question = ask(chat)
    response = post(grace, question, **sent)
    assert (response.status_code, response.url) == (302, reverse("agentchat:inbox") + "?answered=1")
    item = InboxItem.objects.get(request_id=question.request)
    urgent = {"urgent": False} if "arguments" in value and "urgent" not in value["arguments"] else {}
    assert item.value == value | urgent
    assert Run.objects.get().status == Run.Status.QUEUED
    answered = Event.objects.get(type="INPUT_ANSWERED")
    frame = trimmed(frame_of(answered, 1), shows_usage=True, shows_details=False)
    assert (frame["by"], frame["value"].get("arguments")) == ("grace", None)
    assert "grace has answered this question." in main_of(signed_in(grace).get(page_of(question)))


def test_what_does_not_fit_is_said_at_its_field_and_what_was_entered_stays(chat, grace):
    question = ask(chat)
    for euros, complaint in (("much", "Enter a number."), ('"7"', "wrong type")):
        response = post(grace, question, decision="change", **{"field-to": "Ada Lovelace", "field-euros": euros})
        page = main_of(response)
        assert response.status_code == 400
        assert 'value="Ada Lovelace"' in page
        [said] = re.findall(r'id="error-field-euros">([^<]+)<', page)
        assert complaint in said
    assert not InboxItem.objects.exists()


def test_json_that_is_nested_too_deeply_is_no_json(chat, grace):
    question = ask(chat)
    sent = {"field-to": "Ada", "field-euros": "7", "field-parts": "[" * 100_000}
    response = post(grace, question, decision="change", **sent)
    assert response.status_code == 400
    assert "This isn&#x27;t valid JSON." in main_of(response)


def test_only_what_is_editable_has_a_field(chat, grace):
    page = main_of(signed_in(grace).get(page_of(ask(chat, editable=["euros"]))))
    assert re.findall(r'name="(field-\w+)"', page) == ["field-euros"]
    page = main_of(signed_in(grace).get(page_of(ask(chat, request="1-5", editable=[]))))
    assert 'value="change"' not in page


def test_texts_and_forms_are_answered(chat, grace):
    text = ask(chat, kind="text", prompt="May they?")
    assert "May they?" in main_of(signed_in(grace).get(page_of(text)))
    assert post(grace, text, text="Yes").status_code == 302
    assert InboxItem.objects.get().value == "Yes"
    Run.objects.update(status=Run.Status.WAITING)
    form = ask(chat, kind="form", request="1-5", prompt="Terms?", schema=PAY)
    sent = {"field-to": "Ada", "field-euros": "1", "field-kind": "gift", "field-note": "For you"}
    assert post(grace, form, **sent).status_code == 302
    assert InboxItem.objects.get(request_id="1-5").value == {
        "to": "Ada",
        "euros": 1,
        "kind": "gift",
        "urgent": False,
        "note": "For you",
    }


def test_a_form_that_is_sent_twice_counts_once(chat, grace):
    question, client = ask(chat), signed_in(grace)
    data = {"id": str(uuid.uuid4()), "decision": "approve"}
    assert client.post(page_of(question), data).status_code == 302
    assert client.post(page_of(question), data).status_code == 409
    assert InboxItem.objects.count() == 1
    assert post(grace, ask(chat, request="1-5"), id="no id", decision="approve").status_code == 400


def test_guests_sign_in_first():
    response = Client().get(reverse("agentchat:inbox"))
    assert response.status_code == 302
    assert response.url == "/accounts/login/?next=/inbox/"


def menu_of(user, address="agentchat:chats"):
    """The link to the inbox in the account's menu: whether it is hidden, and its text."""
    page = signed_in(user).get(reverse(address)).content.decode()
    [(hidden, text)] = re.findall(r'id="inbox-link"( hidden)?>(.+?)</a>', page)
    return bool(hidden), re.sub(r"<[^>]+>", "", text).strip()


def test_the_menu_links_to_the_inbox_for_staff_and_for_whom_something_is_known_to_wait(chat, grace, monkeypatch):
    ask(chat)
    assert menu_of(account("root", is_staff=True)) == (False, "Inbox")
    assert menu_of(account("eve")) == (True, "Inbox")
    assert menu_of(grace, "agentchat:inbox") == (False, "Inbox (1)")
    monkeypatch.setattr(agentchat_tags, "known_state", lambda visitor: staff_inbox.read_board().state_of(visitor.user))
    assert menu_of(grace) == (False, "Inbox (1)")


def test_a_page_asks_for_nothing_about_the_inbox_and_what_is_open_is_read_at_once(
    chat, grace, django_assert_num_queries
):
    def queries(user):
        client = signed_in(user)
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("agentchat:chats"))
        return len(captured)

    before = queries(grace)
    for request in range(20):
        ask(chat, request=f"2-{request}")
    assert queries(grace) == queries(account("eve")) == before
    with django_assert_num_queries(2):
        assert staff_inbox.read_board().state_of(grace).count == 20
