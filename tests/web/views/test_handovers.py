"""The chat of somebody else, for staff; and what of a handover is in exports, shared links and the data of a user."""

import json
import uuid

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from agentchat.actions import handovers, sharing
from agentchat.actions.staff_inbox import read_board
from agentchat.core import registry
from agentchat.core.addressees import group
from agentchat.events import TextMessageEnd, TextMessageStart
from agentchat.models import ChatSession, Handover, Run
from agentchat.presentation.export import data_of, to_json, to_markdown
from agentchat.runs.handovers import begin, open_
from agentchat.runs.session_lock import append, lock_session
from agentchat.visitors import Visitor
from tests.factories import account, said, signed_in, tell

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def oracle():
    registry.on_connect("oracle", title="The oracle")(lambda iostream: iostream.input())
    yield
    registry.unregister("oracle")


@pytest.fixture
def ada():
    return account("ada")


@pytest.fixture
def chat(ada):
    """A chat that its agent has handed over to the group "support"."""
    chat = tell(
        ChatSession.objects.create(agent="oracle", title="Umbrella", owner=ada),
        ("RUN_STARTED", {}),
        *said("u1", "What about my umbrella?", "user", "ada"),
        status=Run.Status.WAITING,
    )
    with lock_session(chat.pk) as session:
        begin(session, session.runs.get(), 1, open_(session, group("support"), is_asked=True, summary="<i>Lost it</i>"))
    return chat


@pytest.fixture
def grace():
    user = account("grace", first_name="Grace", last_name="Hopper")
    user.groups.add(Group.objects.create(name="support"))
    return user


def address(chat):
    return reverse("agentchat:inbox_chat", args=[chat.pk])


def test_an_older_part_leads_back_to_the_chat_as_staff_see_it_and_not_to_the_owner_s_page(chat, grace):
    html = signed_in(grace).get(f"{address(chat)}?before=3").content.decode()
    assert "Umbrella" in html
    assert "What about my umbrella?" in html
    assert f'href="{address(chat)}"' in html
    assert f"/chat/{chat.pk}/" not in html.replace(address(chat), "")
    assert signed_in(account("stranger")).get(f"{address(chat)}?before=3").status_code == 404


def page(client, chat):
    answer = client.get(address(chat))
    assert answer.status_code == 200
    return answer.content.decode().split("<main")[1]


def test_staff_join_speak_and_give_back_without_javascript(chat, grace):
    client = signed_in(grace)
    before = page(client, chat)
    assert "What about my umbrella?" in before
    assert "&lt;i&gt;Lost it&lt;/i&gt;" in before
    assert client.post(address(chat), {"do": "take"}).url == address(chat)
    form = {"do": "say", "id": str(uuid.uuid4()), "text": "Hello\r\nthere"}
    for _ in range(2):
        assert client.post(address(chat), form).url == address(chat)
    shown = page(client, chat)
    assert shown.count("Hello\nthere") == 1
    assert '<span class="staff-badge">Staff</span>' in shown
    assert client.post(address(chat), {"do": "give-back"}).url == reverse("agentchat:inbox")
    assert client.get(address(chat)).status_code == 404
    assert Handover.objects.get().outcome == "returned"


def test_a_handover_is_in_the_inboxes_of_those_it_is_for_until_somebody_has_come(chat, grace, ada):
    def inbox(user):
        return signed_in(user).get(reverse("agentchat:inbox")).content.decode().split("<main")[1]

    joan = account("joan")
    joan.groups.add(Group.objects.get(name="support"))
    for user in (grace, joan):
        assert address(chat) in inbox(user)
        assert "&lt;i&gt;Lost it&lt;/i&gt;" in inbox(user)
        assert read_board().state_of(user).count == 1
    assert address(chat) not in inbox(ada)
    before = read_board().state_of(grace).version
    handovers.take_over(chat.pk, Visitor(user=grace))
    assert [read_board().state_of(user).count for user in (grace, joan, ada)] == [0, 0, 0]
    assert read_board().state_of(grace).version != before
    assert inbox(grace).index("You are talking in") < inbox(grace).index(address(chat))
    assert address(chat) not in inbox(joan)
    handovers.give_back(chat.pk, Visitor(user=grace))
    assert address(chat) not in inbox(grace)


def test_a_function_of_the_site_says_for_whom_a_handover_is(chat):
    Handover.objects.update(to_kind="function", to_value="tests.web.views.test_handovers.only_the_tall")
    tall, small = account("tall joan"), account("joan")
    assert [each.pk for each in handovers.waiting_handovers(tall)] == [Handover.objects.get().pk]
    assert handovers.waiting_handovers(small) == []
    assert [read_board().state_of(user).count for user in (tall, small)] == [1, 0]
    assert signed_in(small).get(address(chat)).status_code == 404
    handovers.take_over(chat.pk, Visitor(user=tall))


def only_the_tall(user, handover):
    return user.username.startswith("tall") and handover.summary == "<i>Lost it</i>" and handover.session is not None


@pytest.mark.parametrize(
    "form",
    [{}, {"do": "say", "text": "Hello"}, {"do": "say", "id": "no uuid", "text": "x"}, {"do": "dance"}],
)
def test_a_form_that_is_not_filled_in_is_told_so(chat, grace, form):
    answer = signed_in(grace).post(address(chat), form)
    assert answer.status_code == 400
    assert "valid." in answer.content.decode()
    assert not Handover.objects.get().staff


def test_a_message_without_text_is_refused(chat, grace):
    form = {"do": "say", "id": str(uuid.uuid4()), "text": "  "}
    assert "This message is empty." in signed_in(grace).post(address(chat), form).content.decode()


def test_a_form_needs_a_token(chat, grace):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(grace)
    assert strict.post(address(chat), {"do": "take"}).status_code == 403


def test_those_who_may_only_view_have_nothing_to_press(chat):
    viewer = account("viewer")
    viewer.user_permissions.add(Permission.objects.get(codename="view_chatsession"))
    shown = page(signed_in(viewer), chat)
    assert "You can read this chat, and not answer in it." in shown
    assert 'name="do"' not in shown
    assert "Lost it" not in shown
    assert signed_in(viewer).post(address(chat), {"do": "take"}).status_code == 400
    assert not Handover.objects.get().staff


def test_the_owner_never_sees_the_summary(chat, ada):
    answer = signed_in(ada).get(chat.get_absolute_url())
    assert "Lost it" not in answer.content.decode()
    assert "Lost it" not in to_json(chat) + to_markdown(chat) + "".join(data_of(Visitor(user=ada)))


def test_exports_and_shared_links_say_who_is_staff(chat, ada, grace):
    handovers.say(chat.pk, Visitor(user=grace), client_id=uuid.uuid4(), text="# I have your umbrella")
    with lock_session(chat.pk) as session:
        for role, name in (("user", "*Staff*"), ("assistant", "Grace Hopper (Staff)")):
            message = str(uuid.uuid4())
            start = TextMessageStart(message_id=message, role=role, name=name)
            append(session, session.runs.get(), [start, TextMessageEnd(message_id=message, content="*Staff*")])
    chat.refresh_from_db()
    [by_staff] = [each for each in json.loads(to_json(chat))["events"] if each.get("role") == "staff"]
    assert by_staff["name"] == "Grace Hopper"
    markdown = to_markdown(chat)
    assert markdown.count("\n*Staff*\n") == 1  # what others write is quoted, and their names are escaped
    assert markdown.index("\n*Staff*\n") < markdown.index("> # I have your umbrella")
    assert "*Grace Hopper has joined (staff).*" in markdown
    assert "I have your umbrella" in "".join(data_of(Visitor(user=ada)))
    link = sharing.create_link(chat)
    shared = Client().get(reverse("agentchat:shared", args=[link.token])).getvalue().decode()
    assert shared.count('<span class="staff-badge">Staff</span>') == 2  # of the message, and of having joined
    assert "Grace Hopper</span>" not in shared.split("Grace Hopper (Staff)")[0]
