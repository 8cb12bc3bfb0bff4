"""What guests may use by address, and all of them together: whatever their browsers are."""

import uuid

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from agentchat.actions import branches, chats, messages
from agentchat.actions.guest_limits import use_as_guest
from agentchat.actions.rate_limits import forget_empty
from agentchat.core import registry
from agentchat.errors import Rejected
from agentchat.models import ChatSession, InboxItem, RateLimit
from agentchat.visitors import Visitor
from tests import factories

pytestmark = pytest.mark.django_db

ONE, OTHER = "8.8.4.4", "1.1.1.1"


@pytest.fixture(autouse=True)
def echo():
    registry.on_connect("echo")(lambda iostream: iostream.print(iostream.input()))
    yield
    registry.unregister("echo")


@pytest.fixture
def limit(settings):
    settings.ALLOWED_HOSTS = [factories.HOST]

    def set_limits(**limits):
        off = dict.fromkeys(
            ("GUEST_CHATS_PER_HOUR", "GUEST_MESSAGES_PER_MINUTE", "GUEST_MB_PER_DAY", "GUEST_ADDRESSES")
        )
        settings.AGENTCHAT = {"GUESTS": True, "TRUSTED_PROXIES": 0, **off, **limits}

    return set_limits


def guest(address=ONE):
    return Visitor(guest_key=uuid.uuid4().hex, address=address)


def start(visitor, text="hello"):
    messages.start_chat(uuid.uuid4(), "echo", visitor, client_id=uuid.uuid4(), text=text)


def refusal(call, *args, **kwargs):
    with pytest.raises(Rejected) as caught:
        call(*args, **kwargs)
    assert caught.value.reason == "rate_limited"
    return caught.value


def test_new_guests_of_one_address_are_one_and_those_of_another_are_not_limited_by_them(limit):
    limit(GUEST_CHATS_PER_HOUR=3)
    for _ in range(3):
        start(guest())
    assert "Too many chats have been started from your network" in str(refusal(start, guest()))
    refusal(chats.create, "echo", guest())
    assert ChatSession.objects.count() == 3
    start(guest(OTHER))
    chats.create("echo", guest(OTHER))


def test_what_is_refused_counts_for_nothing_and_says_when_it_is_accepted(limit, clock):
    limit(GUEST_MESSAGES_PER_MINUTE=4)
    for _ in range(4):
        start(guest())
    for _ in range(10):
        refused = refusal(start, guest())
    assert refused.retry_after == 15
    assert "Please try again in 1 minute." in str(refused)
    clock.now += 14
    refusal(start, guest())
    clock.now += 1
    start(guest())
    refusal(start, guest())
    clock.now += 3600  # what was not used is not saved up
    for _ in range(4):
        start(guest())
    refusal(start, guest())
    assert InboxItem.objects.count() == 9


def test_bytes_are_counted_as_they_are_stored(limit, clock):
    limit(GUEST_MB_PER_DAY=1)
    for _ in range(10):
        start(guest(), "あ" * 32_000)
    refused = refusal(start, guest(), "あ" * 32_000)
    assert refused.retry_after == pytest.approx((11 * 96_000 - 10**6) / 10**6 * 86_400, abs=1)
    start(guest(), "short")


def test_answers_and_new_versions_count_as_messages(limit):
    limit(GUEST_MESSAGES_PER_MINUTE=1)
    visitor = guest()
    start(visitor)
    [session] = ChatSession.objects.all()

    own = {"client_id": uuid.uuid4()}
    refusal(messages.send, session.pk, visitor, text="more", **own)
    refusal(messages.answer, session.pk, visitor, request="r", value={"a": 1}, **own)
    refusal(branches.retry, session.pk, visitor, **own)
    refusal(branches.edit, session.pk, visitor, message_id="m", text="x", **own)


def test_all_guests_together_have_as_much_as_so_many_addresses(limit):
    limit(GUEST_CHATS_PER_HOUR=2, GUEST_ADDRESSES=3)
    for number in range(6):
        start(guest(f"8.8.4.{number}"))
    assert "Too many guests are using this site right now" in str(refusal(start, guest(OTHER)))


def test_guests_whose_address_is_unknown_share_what_all_guests_share_alone(limit):
    limit(GUEST_CHATS_PER_HOUR=1, GUEST_ADDRESSES=3)
    for _ in range(3):
        start(guest(""))
    refusal(start, guest(""))


def test_users_with_accounts_are_not_counted(limit, django_user_model):
    limit(GUEST_CHATS_PER_HOUR=1, GUEST_MESSAGES_PER_MINUTE=1, GUEST_MB_PER_DAY=1, GUEST_ADDRESSES=1)
    user = Visitor(user=factories.account("ada"), address=ONE)
    for _ in range(3):
        start(user)
    start(guest())
    refusal(start, guest())
    start(user)


def statements_of(call, *args):
    with CaptureQueriesContext(connection) as captured:
        call(*args)
    return len(captured)


def test_a_message_costs_one_statement_more_and_none_where_nothing_is_limited(limit, django_user_model):
    limit()
    user = Visitor(user=factories.account("ada"), address=ONE)
    start(guest())
    without, of_user = statements_of(start, guest()), statements_of(start, user)
    limit(GUEST_CHATS_PER_HOUR=60, GUEST_MESSAGES_PER_MINUTE=60, GUEST_MB_PER_DAY=10, GUEST_ADDRESSES=10)
    assert statements_of(start, guest()) == without + 1
    assert statements_of(start, user) == of_user


def test_a_database_that_returns_nothing_from_an_insertion_is_asked_once_more(limit, monkeypatch):
    limit(GUEST_CHATS_PER_HOUR=2, GUEST_ADDRESSES=9)
    monkeypatch.setattr(type(connection.features), "can_return_columns_from_insert", False)
    for _ in range(2):
        use_as_guest(guest(), chats=1)
    refusal(use_as_guest, guest(), chats=1)


def test_addresses_are_stored_as_digests_and_forgotten_when_nothing_is_used(limit, clock):
    limit(GUEST_CHATS_PER_HOUR=60, GUEST_MESSAGES_PER_MINUTE=60)
    start(guest())
    keys = [row.key for row in RateLimit.objects.all()]
    assert len(keys) == 2
    assert not any(ONE in key for key in keys)
    assert forget_empty() == 0
    clock.now += 61
    assert forget_empty() == 2


def test_a_page_says_when_to_try_again_with_a_status_that_says_so_too(limit):
    limit(GUEST_CHATS_PER_HOUR=1)
    form = {"agent": "echo", "prompt": "hi"}
    assert Client(REMOTE_ADDR=ONE).post("/chat/", form).status_code == 302
    for client in (Client(REMOTE_ADDR=ONE), Client(REMOTE_ADDR=ONE, HTTP_X_FORWARDED_FOR=OTHER)):
        refused = client.post("/chat/", form)
        assert refused.status_code == 429
        assert 3590 < int(refused.headers["Retry-After"]) <= 3600
        assert "Please try again in 60 minutes." in refused.content.decode()
        as_json = client.post("/chat/", form, headers={"accept": "application/json"})
        assert (as_json.status_code, "in 60 minutes" in as_json.json()["error"]) == (429, True)
        assert as_json.headers["Retry-After"]
        assert client.post("/embed/echo/", form).status_code == 429
        assert client.post("/chat/", {"agent": "echo"}).status_code == 429
    assert Client(REMOTE_ADDR=OTHER).post("/chat/", form).status_code == 302
    assert ChatSession.objects.count() == 2
