"""How much waits in the inbox, over the websocket of the list of chats: for whom, and when it is said."""

import uuid
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agentchat import group, server, staff
from agentchat.actions import colleagues, messages, staff_inbox
from agentchat.core import registry
from agentchat.infra import moments
from agentchat.models import ChatSession, DelegatedQuestion
from agentchat.runs import supervisor
from agentchat.runs.delegated_questions import escalate_due
from agentchat.visitors import Visitor
from agentchat.websocket import inbox_feed
from agentchat.websocket.connections import CloseCode, current_connections
from tests import factories

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


@pytest.fixture(autouse=True)
async def server_loop(settings, monkeypatch):
    """What is seen here was notified: nothing is read, and nothing is escalated, for its own sake."""
    settings.ALLOWED_HOSTS = [factories.HOST]
    monkeypatch.setattr(inbox_feed, "REFRESH_INTERVAL_SECONDS", 60.0)
    monkeypatch.setattr(supervisor, "CHORES", [])
    server.start()
    yield
    await server.stop()


class Tab(factories.Tab):
    """A page: it holds how much waits in the inbox."""

    def __init__(self, user):
        super().__init__(factories.signed_in(user), "/ws/chats/")
        self.versions = []

    async def counts(self, count):
        while (frame := await self.next()) != {"type": "inbox", "count": count, "version": frame.get("version")}:
            pass
        self.versions.append(frame["version"])
        return self


@pytest.fixture
async def open_tab():
    tabs = []

    async def open_one(user, *, count):
        tab = await sync_to_async(Tab)(user)
        tabs.append(tab)
        assert await tab.open()
        await tab.send(type="hello", after=0)
        return await tab.counts(count)

    yield open_one
    for tab in tabs:
        await tab.close()


@sync_to_async
def colleague(name, **fields):
    user = factories.account(name, **fields)
    user.groups.add(Group.objects.get_or_create(name="support")[0])
    return user


@pytest.fixture
def ask():
    """A run asks; return its chat, whose question colleagues get."""

    async def ask(**options):
        registry.on_connect("asks")(lambda iostream: iostream.input() and iostream.input("May they?", **options))
        owner = Visitor(user=await sync_to_async(factories.account)(f"owner-{uuid.uuid4().hex[:6]}"))
        chat = await ChatSession.objects.acreate(agent="asks", owner=owner.user)
        await sync_to_async(messages.send)(chat.pk, owner, client_id=uuid.uuid4(), text="Hello")
        chat.visitor = owner
        return chat

    yield ask
    registry.unregister("asks")


@sync_to_async
def answer(chat, user):
    asked = DelegatedQuestion.objects.get(session=chat)
    colleagues.answer(chat.pk, Visitor(user=user), client_id=uuid.uuid4(), request=asked.request, value="Yes")


async def test_a_question_appears_and_disappears_in_every_tab_of_those_it_is_for(ask, open_tab):
    grace, heidi = await colleague("grace"), await colleague("heidi")
    eve = await sync_to_async(factories.account)("eve")
    tabs = [await open_tab(user, count=0) for user in (grace, grace, heidi)]
    stranger = await open_tab(eve, count=0)
    chat = await ask(to=group("support"))
    for tab in tabs:
        await tab.counts(1)
    await answer(chat, heidi)
    for tab in tabs:
        await tab.counts(0)
    for versions in (tab.versions for tab in tabs):
        assert versions == ["", versions[1], ""]
    await stranger.send(type="ping")
    assert "inbox" not in {frame["type"] for frame in await stranger.until("pong")}
    assert stranger.versions == [""]


async def test_what_is_stopped_escalated_or_expired_disappears(ask, open_tab):
    grace = await colleague("grace")
    boss = await sync_to_async(factories.account)("boss", is_staff=True)
    tab, boss_tab = await open_tab(grace, count=0), await open_tab(boss, count=0)
    chat = await ask(to=group("support"))
    await tab.counts(1)
    await sync_to_async(messages.stop)(chat.pk, by=chat.visitor.name, visitor=chat.visitor)
    await tab.counts(0)
    await ask(to=group("support"), escalate=(timedelta(hours=1), staff()))
    await tab.counts(1)
    await DelegatedQuestion.objects.filter(closed_at=None).aupdate(escalate_at=moments.now())
    assert await sync_to_async(escalate_due)() == 1
    await tab.counts(0)
    await boss_tab.counts(1)
    await ask(to=group("support"), expires_at=moments.now() + timedelta(seconds=2))
    await tab.counts(1)
    await tab.counts(0)
    assert (await DelegatedQuestion.objects.alatest("pk")).outcome == "expired"


async def test_what_changes_has_another_version_though_the_number_stays(ask, open_tab):
    grace = await colleague("grace")
    tab = await open_tab(grace, count=0)
    one = await ask(to=group("support"))
    await tab.counts(1)
    question = await DelegatedQuestion.objects.aget(session=one)
    await DelegatedQuestion.objects.filter(pk=question.pk).aupdate(asked_at=moments.now())  # closed, and asked again
    inbox_feed.current_notifier().notify(inbox_feed.INBOX_GROUP)
    await tab.counts(1)
    assert tab.versions[1] != tab.versions[2]


async def test_permissions_count_as_they_are_now(ask, open_tab, monkeypatch):
    grace = await colleague("grace")
    tab = await open_tab(grace, count=0)
    await ask(to=group("support"))
    await tab.counts(1)
    monkeypatch.setattr(inbox_feed, "REFRESH_INTERVAL_SECONDS", 0.6)
    again = await open_tab(grace, count=1)  # it is known: nobody waits for the next reading
    await sync_to_async(grace.groups.clear)()
    inbox_feed.current_notifier().notify(inbox_feed.INBOX_GROUP)
    await tab.counts(0)
    await again.counts(0)
    await sync_to_async(grace.groups.add)(await Group.objects.aget(name="support"))
    await tab.counts(1)  # without a notification


async def test_whoever_loses_the_account_learns_nothing_more(ask, open_tab):
    grace = await colleague("grace")
    tab = await open_tab(grace, count=0)
    grace.is_active = False
    await grace.asave()
    await current_connections().revalidate()
    assert await tab.closed_at_last() == CloseCode.SIGN_IN
    await ask(to=group("support"))
    assert not inbox_feed.current_inbox_feed()._sockets


def may(user, question):
    return user.username == "grace"


async def test_what_a_function_decides_is_judged_for_each_user(ask, open_tab):
    grace = await colleague("grace")
    tab = await open_tab(grace, count=0)
    other = await open_tab(await colleague("heidi"), count=0)
    await ask(to=f"{__name__}.may")
    await tab.counts(1)
    await other.send(type="ping")
    assert "inbox" not in {frame["type"] for frame in await other.until("pong")}


async def test_what_is_read_does_not_depend_on_the_number_of_users(ask, open_tab):
    grace = await colleague("grace")
    tab = await open_tab(grace, count=0)
    await ask(to=group("support"))
    await tab.counts(1)

    def queries(keys):
        with CaptureQueriesContext(connection) as captured:
            staff_inbox.read_board().states_of(keys)
        return len(captured)

    assert await sync_to_async(queries)([grace.pk]) == await sync_to_async(queries)(range(5_000)) == 2


async def test_nothing_is_left_of_pages_that_are_closed(open_tab):
    tab = await open_tab(await colleague("grace"), count=0)
    feed = inbox_feed.current_inbox_feed()
    assert feed._sockets
    await tab.close()
    assert (feed._sockets, feed._states, feed._task) == ({}, {}, None)
