"""Files from agents: cards on the page, in shares, exports and downloads; those of hidden tools for staff alone."""

import re

import pytest
from django.urls import reverse

import agentchat
from agentchat import ConversableAgent, File, llm_config, register_function
from agentchat.actions import chats
from agentchat.files import storage
from agentchat.models import Share, StoredFile
from agentchat.testing import call, say
from tests.factories import account, signed_in
from tests.sample_files import png


def chart() -> File:
    """What sells."""
    return File("chart.png", png(size=(40, 20)), title='Chairs & "tables"')


def secret() -> File:
    """What nobody sees."""
    return File("secret.csv", "a,b\n")


def sends(iostream):
    iostream.input()
    iostream.send_file("<b>.csv", "chair,40\n", title="What chairs cost")
    clerk = ConversableAgent("clerk", "", llm_config=llm_config(max_retries=0))
    register_function(secret, caller=clerk, executor=clerk, description="Hidden", visible="none")
    agentchat.reply(iostream, clerk, tools=[chart])


@pytest.fixture
def chat(agent_chat, agent_function, scripted_llm, settings):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "SHOW_TOOLS": "none"}  # of calls, and not of what they make
    scripted_llm.replies(call("chart").and_call("secret"), say("Done."))
    chat = agent_chat(agent_function(sends), user=account("ada"))
    chat.send("Go")
    chat.wait_for("RUN_FINISHED")
    return chat


def test_the_owner_sees_cards_with_what_is_in_them_and_nothing_of_a_hidden_tool(chat):
    client = signed_in(chat.visitor.user)
    address = reverse("agentchat:chat", args=[chat.session.pk])
    html = client.get(address).content.decode()
    table = StoredFile.objects.get(content_type="text/csv", size=9)
    picture, hidden = StoredFile.objects.get(content_type="image/png"), StoredFile.objects.get(name="secret.csv")
    [image] = re.findall(rf'<img src="files/{picture.pk}/thumbnail"[^>]*>', html)
    assert 'alt="Chairs &amp; &quot;tables&quot;"' in image
    assert 'width="40" height="20"' in image
    assert f'href="files/{table.pk}"' in html
    assert "What chairs cost" in html
    assert "secret.csv" not in html
    assert client.get(f"{address}files/{table.pk}").getvalue() == b"chair,40\n"
    assert client.get(f"{address}files/{hidden.pk}").status_code == 404
    frames = client.get(reverse("agentchat:export_json", args=[chat.session.pk])).getvalue().decode()
    assert "chart.png" in frames
    assert "secret.csv" not in frames
    markdown = client.get(reverse("agentchat:export_markdown", args=[chat.session.pk])).getvalue().decode()
    assert "- chart.png (" in markdown
    assert "secret.csv" not in markdown
    data = client.get(reverse("agentchat:my_data_download")).getvalue().decode()
    assert "chart.png" in data
    assert "secret.csv" not in data


def test_staff_see_the_hidden_one_and_a_share_the_others(chat):
    picture, hidden = StoredFile.objects.get(content_type="image/png"), StoredFile.objects.get(name="secret.csv")
    shared = reverse(
        "agentchat:shared", args=[Share.objects.create(session=chat.session, token="t" * 43, last_seq=99).token]
    )
    stranger = signed_in(account("eve"))
    html = stranger.get(shared).getvalue().decode()
    assert f'src="files/{picture.pk}/thumbnail"' in html
    assert "secret.csv" not in html
    assert stranger.get(f"{shared}files/{picture.pk}").status_code == 200
    assert stranger.get(f"{shared}files/{hidden.pk}").status_code == 404
    assert stranger.get(reverse("agentchat:file", args=[chat.session.pk, picture.pk])).status_code == 404
    root = signed_in(account("root", is_staff=True, is_superuser=True))
    assert b"secret.csv" in root.get(reverse("agentchat:inbox_chat", args=[chat.session.pk])).getvalue()


def test_with_their_chat_they_are_deleted(chat):
    stored = [each for row in StoredFile.objects.all() for each in (row.storage_name, row.thumbnail_name) if each]
    assert len(stored) == 4
    assert all(map(storage.storage().exists, stored))
    chats.delete_all_permanently(chat.visitor)
    assert not StoredFile.objects.exists()
    assert not any(map(storage.storage().exists, stored))
