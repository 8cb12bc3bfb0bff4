"""A tool that users do not see: what it got and returned is on no page, in no file, and not with a shared link."""

import json

import pytest
from django.test import Client

from agentchat import ConversableAgent, UserProxyAgent, llm_config, register_function
from agentchat.actions import sharing
from agentchat.models import Event
from agentchat.testing import call, say
from tests.factories import account, signed_in
from tests.web.views.pages import body

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ["", "?before=99", "earlier?before=99", "events", "export.md", "export.json"]


@pytest.fixture
def chat_with(agent_function, agent_chat, scripted_llm):
    """A chat of a user's, in which an agent has looked into the user's file: `chat_with(visible, user)`."""

    def make(visible, user):
        def desk(iostream):
            message = iostream.input()
            clerk = ConversableAgent("clerk", llm_config=llm_config())
            runner = UserProxyAgent("runner", human_input_mode="NEVER", max_consecutive_auto_reply=1)
            register_function(creditfile, caller=clerk, executor=runner, visible=visible)
            runner.initiate_chat(clerk, message=message)

        scripted_llm.replies(call("creditfile", number="N-4711"), say("You may have it. TERMINATE"))
        chat = agent_chat(agent_function(desk), user=user)
        chat.send("May I have a loan?")
        chat.wait_for("RUN_FINISHED")
        return chat.session

    return make


def creditfile(number: str) -> str:
    """The file of a customer."""
    return "score 12, watch closely"


def everything(client, session):
    """All that a browser gets of the chat."""
    pages = {part: client.get(f"/chat/{session.pk}/{part}") for part in PAGES}
    pages |= {event.seq: client.get(f"/chat/{session.pk}/events/{event.seq}") for event in session.events.all()}
    pages |= {f"{seq}.txt": client.get(f"/chat/{session.pk}/events/{seq}.txt") for seq in pages if isinstance(seq, int)}
    pages["my data"] = client.get("/chat/my-data/download")
    pages["embedded"] = client.get(f"/embed/chat/{session.pk}/")
    link = sharing.create_link(session)
    pages["shared"] = Client().get(f"/share/{link.token}/")
    pages |= {
        f"shared {seq}.txt": Client().get(f"/share/{link.token}/events/{seq}.txt") for seq in pages if type(seq) is int
    }
    assert {response.status_code for response in pages.values()} <= {200, 404}
    return {name: body(response) for name, response in pages.items() if response.status_code == 200}


@pytest.mark.parametrize(("visible", "site"), [("none", "all"), ("name", "all"), (None, "none"), (None, "name")])
def test_nothing_that_is_hidden_reaches_the_owner_or_a_reader_of_a_link(chat_with, settings, visible, site):
    settings.AGENTCHAT = {"SHOW_TOOLS": site}
    ada = account("ada")
    session = chat_with(visible, ada)
    pages = everything(signed_in(ada), session)
    for name, text in pages.items():
        assert "N-4711" not in text, name
        assert "score 12" not in text, name
    named = {name for name, text in pages.items() if "creditfile" in text}
    shown = {"", "events", "export.md", "export.json", "my data", "shared", "embedded"}
    assert named >= shown if "name" in (visible, site) else not named
    assert {"You may have it." in pages[name] for name in shown} == {True}
    sequence = [event["seq"] for event in json.loads(pages["export.json"])["events"]]
    assert sequence == list(range(1, Event.objects.filter(session=session).count() + 1))


def test_staff_see_all_of_it_in_their_own_chats_but_do_not_share_it(chat_with):
    staff = account("grace", is_staff=True)
    pages = everything(signed_in(staff), chat_with("none", staff))
    for name in ("", "events", "export.md", "export.json", "my data", "embedded"):
        assert "N-4711" in pages[name], name
        assert "score 12" in pages[name], name
    assert "creditfile" not in pages["shared"]
    assert not [name for name, text in pages.items() if str(name).startswith("shared") and "score 12" in text]


def test_staff_see_it_in_admin(chat_with, admin_client):
    session = chat_with("none", account("ada"))
    assert "score 12" in body(admin_client.get(f"/admin/agentchat/chatsession/{session.pk}/change/"))
