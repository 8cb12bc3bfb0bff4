"""The websocket of staff in the chat of somebody else: they look on, and speak while it is handed over."""

import uuid

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, Permission

from agentchat import group, server
from agentchat.actions import handovers, messages
from agentchat.core import registry
from agentchat.models import ChatSession
from agentchat.visitors import Visitor
from agentchat.websocket.connections import CloseCode, current_connections
from tests.factories import HOST, Tab, account, signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

in_thread = sync_to_async


@pytest.fixture(autouse=True)
def desk(settings):
    settings.ALLOWED_HOSTS = [HOST]

    def desk(iostream):
        iostream.input()
        iostream.hand_over(to=group("support"))
        iostream.post("I am back.")
        iostream.input("Which colour?")

    registry.on_connect("desk")(desk)
    yield
    registry.unregister("desk")


@pytest.fixture(autouse=True)
async def server_loop():
    server.start()
    yield
    await server.stop()


def make_chat():
    ada, grace = account("ada"), account("grace")
    grace.groups.add(Group.objects.create(name="support"))
    chat = ChatSession.objects.create(agent="desk", owner=ada)
    messages.send(chat.pk, Visitor(user=ada), client_id=uuid.uuid4(), text="a person")
    return chat, ada, grace


async def tabs():
    """The pages of the owner and of a colleague in a chat that is handed over."""
    chat, ada, grace = await in_thread(make_chat)()
    owner = Tab(await in_thread(signed_in)(ada), f"/ws/chat/{chat.pk}/")
    assert await owner.open()
    await owner.send(type="hello", after=0, html=True)
    await owner.until("HANDOVER_REQUESTED")
    staff = Tab(await in_thread(signed_in)(grace), f"/ws/inbox/chats/{chat.pk}/")
    assert await staff.open()
    await staff.send(type="hello", after=0, html=True)
    await staff.until("HANDOVER_REQUESTED")
    return chat, grace, owner, staff


async def test_both_see_what_the_other_says_and_only_the_owner_can_act_on_it():
    chat, grace, owner, staff = await tabs()
    message = str(uuid.uuid4())
    await staff.send(type="send", id=message, text="<b>Hello</b>")
    await staff.send(type="send", id=message, text="<b>Hello</b>")  # its connection was lost
    seen, own = await owner.until("TEXT_MESSAGE_END"), await staff.until("TEXT_MESSAGE_END")
    for frames in (seen, own):
        start, end = frames[-2:]
        assert (start["role"], start["name"], start["messageId"]) == ("staff", "grace", message)
        assert (end["content"], "html" in end) == ("<b>Hello</b>", False)
        html = end["show"][-1]["html"]
        assert '<span class="staff-badge">Staff</span>' in html
        assert "&lt;b&gt;Hello&lt;/b&gt;" in html
        assert "data-rate" not in html
    await owner.send(type="send", id=str(uuid.uuid4()), text="Hi")
    mine, theirs = await owner.until("TEXT_MESSAGE_END"), await staff.until("TEXT_MESSAGE_END")
    assert "data-edit" not in mine[-1]["show"][-1]["html"]  # it is not for the agent
    assert "data-edit" not in theirs[-1]["show"][-1]["html"]
    await in_thread(handovers.give_back)(chat.pk, Visitor(user=grace))
    asked, not_asked = await owner.until("INPUT_REQUESTED"), await staff.until("INPUT_REQUESTED")
    assert "colleague" not in asked[-1]
    assert not_asked[-1]["colleague"] is True
    assert [each["seq"] for each in asked if "seq" in each] == [each["seq"] for each in not_asked if "seq" in each]
    await owner.close()
    await staff.close()


async def test_a_socket_of_staff_is_closed_when_they_may_not_look_on_any_more():
    _, grace, owner, staff = await tabs()
    await current_connections().revalidate()
    await staff.send(type="ping")
    await staff.until("pong")
    await in_thread(grace.groups.clear)()
    await current_connections().revalidate()
    assert await staff.closed_at_last() == CloseCode.NOT_FOUND
    await owner.close()


async def test_those_who_may_only_view_say_nothing():
    chat, _, owner, staff = await tabs()
    viewer = await in_thread(account)("viewer")
    permission = await Permission.objects.aget(codename="view_chatsession")
    await in_thread(viewer.user_permissions.add)(permission)
    tab = Tab(await in_thread(signed_in)(viewer), f"/ws/inbox/chats/{chat.pk}/")
    assert await tab.open()
    await tab.send(type="hello", after=0)
    await tab.send(type="send", id=str(uuid.uuid4()), text="Hello")
    frames = await tab.until("rejected")
    assert frames[-1]["code"] == "not_allowed"
    for each in (owner, staff, tab):
        await each.close()
