"""A site may write numbers as 1,234 (USE_THOUSAND_SEPARATOR): people read them so, and addresses and scripts do not."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from agentchat import conf
from agentchat.actions.feedback import MAX_COMMENT_CHARS
from agentchat.models import ChatSession, Event, Run, Share, Step

pytestmark = pytest.mark.django_db

FIRST = 123_456  # the number of the chat's first fact
DIGITS = r"[\d.,\u00a0\u202f]+"


@pytest.fixture(autouse=True)
def _separators(settings):
    settings.USE_THOUSAND_SEPARATOR = True
    settings.AGENTCHAT = {"GUESTS": True}


@pytest.fixture
def chat():
    """A chat of staff's with much in it, the last of many; somebody has tried again in it."""
    ada = get_user_model().objects.create_superuser("ada")
    chat = ChatSession.objects.create(owner=ada, agent="assistant", title="Much", next_seq=FIRST + 400)
    runs = [
        Run.objects.create(session=chat, number=number, agent="assistant", status="finished") for number in (1, 1234)
    ]
    for index in range(200):
        payload = {"messageId": f"m{index}", "role": "assistant", "name": "bot"}
        told = {"session": chat, "run": runs[0]}
        Event.objects.create(
            **told, seq=FIRST + 2 * index, ordinal=2 * index, type="TEXT_MESSAGE_START", payload=payload
        )
        payload = {"messageId": f"m{index}", "content": "word " * 30}
        Event.objects.create(
            **told, seq=FIRST + 2 * index + 1, ordinal=2 * index + 1, type="TEXT_MESSAGE_END", payload=payload
        )
    runs[1].parent, runs[1].from_seq = runs[0], FIRST + 398
    runs[1].save()
    start = {"messageId": "n", "role": "assistant", "name": "bot"}
    told = {"session": chat, "run": runs[1]}
    Event.objects.create(**told, seq=FIRST + 400, ordinal=0, type="TEXT_MESSAGE_START", payload=start)
    Event.objects.create(
        **told, seq=FIRST + 401, ordinal=1, type="TEXT_MESSAGE_END", payload={"messageId": "n", "content": "x"}
    )
    chat.head, chat.next_seq = runs[1], FIRST + 402
    chat.save()
    Share.objects.create(pk=1234, session=chat, token="t" * 43, last_seq=FIRST)
    return chat


@pytest.fixture
def page(client, chat):
    client.force_login(chat.owner)
    return lambda address: client.get(address).content.decode()


def numbers(html, pattern):
    found = re.findall(pattern.replace("#", f"({DIGITS})"), html)
    assert found, pattern
    return found


def test_the_scripts_of_a_chat_get_plain_numbers(page, chat):
    html = page(chat.get_absolute_url())
    assert numbers(html, 'data-seq="#"') == [str(FIRST + 401)]
    assert set(numbers(html, 'data-max="#"')) >= {str(conf.app.max_message_chars), str(MAX_COMMENT_CHARS)}
    [before] = numbers(html, 'data-before="#"')
    assert FIRST < int(before) < FIRST + 400
    assert set(numbers(html, r"\?before=#")) == {before}
    assert numbers(html, 'data-branch="#"') == ["1"]


def test_links_and_buttons_name_plain_numbers(page, chat):
    assert numbers(page(f"{chat.get_absolute_url()}share/"), 'name="withdraw" value="#"') == ["1234"]
    html = page(f"/admin/agentchat/chatsession/{chat.pk}/change/")
    assert numbers(html, r'"\?branch=#') == ["1234"]
    assert str(FIRST) < numbers(html, r'"\?before=#')[0] < str(FIRST + 400)
    now = timezone.now()
    steps = (Step(run=chat.head, number=number, kind="tool", name="t", started_at=now) for number in range(1, 1500))
    Step.objects.bulk_create(steps)
    assert numbers(page(f"/admin/agentchat/run/{chat.head_id}/change/?after=1000"), r'"\?after=#') == ["1200"]
