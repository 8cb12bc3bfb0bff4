"""What is deleted permanently is gone: from every table, and on SQLite from the bytes of the file."""

from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from agentchat import group
from agentchat.actions import chats, sharing
from agentchat.models import ChatSession, Feedback
from tests.factories import account

CANARY = "canary8fd2"

pytestmark = pytest.mark.django_db(transaction=True)


def places_of_the_canary():
    """Where in the database it still is: "table.column"."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            names = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                found |= {
                    f"{table}.{name}" for name, value in zip(names, row, strict=True) if CANARY in str(value).lower()
                }
    return found


def is_in_the_file():
    """Whether SQLite's file still has it, in a page that is no longer used."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = Path(connection.settings_dict["NAME"])
    return any(CANARY.encode() in path.read_bytes() for path in file.parent.glob(f"{file.name}*"))


@pytest.fixture
def chat(agent_function, agent_chat):
    """A chat with the canary in everything that a chat has."""

    def clerk(iostream):
        iostream.state["note"] = CANARY
        iostream.print(iostream.input())
        iostream.input(f"May {CANARY} pass?", to=group("leads"))
        iostream.step("note", lambda: CANARY)
        iostream.print("done", CANARY)
        iostream.input("next?")
        iostream.hand_over(to=group("leads"), summary=CANARY)

    lead = account("lead")
    lead.groups.add(Group.objects.create(name="leads"))
    owner = account("ada")
    chat = agent_chat(agent_function(clerk), user=owner)
    chat.send(f"I am {CANARY}")
    question = chat.wait_for("INPUT_REQUESTED", colleague=True)
    chat.answer(question["request"], CANARY, by=lead)
    chat.wait_for("INPUT_REQUESTED", prompt="next?")
    chat.send(f"One more {CANARY}")
    chat.signal("early", CANARY)
    chat.wait_for("HANDOVER_REQUESTED")
    chat.say(f"Hello {CANARY}", by=lead)
    chat.give_back(by=lead)
    chat.wait_for("RUN_FINISHED")
    sharing.create_link(chat.session)
    session = ChatSession.objects.get(pk=chat.session.pk)
    Feedback.objects.create(session=session, message_id="m", value="up", comment=CANARY)
    assert {place.partition(".")[0] for place in places_of_the_canary()} >= {
        "agentchat_chatsession",
        "agentchat_delegatedquestion",
        "agentchat_event",
        "agentchat_feedback",
        "agentchat_handover",
        "agentchat_inboxitem",
        "agentchat_step",
        "django_admin_log",
    }
    return chat


def by_its_owner(chat):
    chats.delete_all_permanently(chat.visitor)


def with_its_owner(chat):
    chat.visitor.user.delete()


def by_the_command(chat):
    ChatSession.objects.update(updated_at=timezone.now() - timezone.timedelta(days=2))
    call_command("agentchat_purge", "--older-than", "1d", "--force", verbosity=0)


@pytest.mark.parametrize("delete", [by_its_owner, with_its_owner, by_the_command])
def test_nothing_of_it_is_left(chat, delete):
    is_sqlite = connection.vendor == "sqlite"
    assert not is_sqlite or is_in_the_file()
    delete(chat)
    assert not ChatSession.objects.exists()
    assert places_of_the_canary() == set()
    assert not is_sqlite or not is_in_the_file()


def test_staff_s_deletion_in_admin_leaves_an_entry_without_the_title(chat, admin_client):
    session = ChatSession.objects.get()
    response = admin_client.post(f"/admin/agentchat/chatsession/{session.pk}/delete/", {"post": "yes"})
    assert response.status_code == 302
    assert places_of_the_canary() == set()
    from django.contrib.admin.models import DELETION, LogEntry

    assert LogEntry.objects.get(action_flag=DELETION).object_repr == str(session.pk)
