"""Shared links, and the page that they lead to."""

import re

import pytest
from django.test import Client

from agentchat.actions import chats, sharing
from agentchat.models import ChatSession, Run, Share
from tests.factories import account, add, said, tell
from tests.web.views.pages import body, url

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("guests")]


@pytest.fixture
def ada():
    return account("ada-lovelace")


def share(client, chat):
    client.post(url(chat, "share/"))
    return f"/share/{Share.objects.order_by('-pk')[0].token}/"


def test_anyone_with_the_link_can_read_the_chat_up_to_its_creation(as_ada, chat):
    link = share(as_ada, chat)
    add(chat, Run.objects.get(), *said("a2", "a secret said later"))
    reader = Client()
    response = reader.get(link)
    text = body(response)
    assert response.status_code == 200
    assert "<strong>will</strong>" in text
    assert "Will it &lt;b&gt;rain&lt;/b&gt;?" in text
    assert "secret said later" not in text
    assert "ada-lovelace" not in text
    assert ">User<" in text
    assert "csrf" not in text
    assert not reader.cookies
    assert "Cookie" not in response.headers.get("Vary", "")


def test_only_the_branch_shown_is_shared(as_ada, chat):
    first = Run.objects.get()
    again = Run.objects.create(session=chat, number=2, parent=first, from_seq=4, agent="oracle", status="finished")
    add(chat, again, *said("a2", "It will not."))
    ChatSession.objects.update(head=again)
    new = share(as_ada, chat)
    ChatSession.objects.update(head=first)
    old = share(as_ada, chat)
    shown = [body(Client().get(link)) for link in (new, old)]
    assert ["It will not." in text for text in shown] == [True, False]
    assert ["<strong>will</strong>" in text for text in shown] == [False, True]
    ChatSession.objects.update(head=again)
    assert body(Client().get(old)) == shown[1]  # a snapshot


def test_why_a_run_failed_is_not_shared_not_even_with_staff(as_ada, chat, admin_client):
    failed = {"code": "llm_quota", "message": "Sorry, no.", "id": "e7", "params": None, "detail": "HTTP 402: Pay, Acme"}
    add(chat, Run.objects.get(), ("RUN_ERROR", failed))
    link = share(as_ada, chat)
    for reader in (Client(), admin_client):
        text = body(reader.get(link))
        assert "e7" in text
        assert "Acme" not in text


def test_a_later_title_is_not_shown_to_readers(as_ada, chat):
    link = share(as_ada, chat)
    chats.rename(chat.pk, _visitor(chat), "My divorce")
    assert "divorce" not in body(Client().get(link))


def _visitor(chat):
    from agentchat.visitors import Visitor

    return Visitor(user=chat.owner)


def test_a_shared_page_is_neither_cached_nor_indexed_and_sends_no_referrer(as_ada, chat):
    headers = Client().get(share(as_ada, chat)).headers
    assert "noindex" in headers["X-Robots-Tag"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in headers["Cache-Control"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_nothing_on_a_shared_page_can_be_answered(as_ada, chat):
    run = Run.objects.get()
    asked = {"request": "1-1", "kind": "approval", "prompt": "May it?", "toolCallId": "c1", "schema": {}}
    add(chat, run, ("INPUT_REQUESTED", asked))
    add(chat, run, said("a9", "half")[0])
    text = body(Client().get(share(as_ada, chat)))
    assert not re.search(r"<(?!button[^>]* data-copy)(button|textarea|input|form)\b", text)
    assert "May it?" not in text
    assert 'data-state="cut"' in text  # the tool call
    assert "data-writing" not in text


def test_a_shared_page_does_not_name_the_user_who_answered(as_ada, chat):
    run = Run.objects.get()
    asked = {"request": "1-1", "kind": "approval", "prompt": "May it?", "toolCallId": "c1", "schema": {}}
    add(chat, run, ("INPUT_REQUESTED", asked))
    add(chat, run, ("INPUT_ANSWERED", {"request": "1-1", "value": {"decision": "approve"}, "by": "ada-lovelace"}))
    text = body(Client().get(share(as_ada, chat)))
    assert "May it?" in text
    assert "ada-lovelace" not in text


def test_a_revoked_link_is_not_found(as_ada, chat):
    link, other = share(as_ada, chat), share(as_ada, chat)
    assert body(as_ada.get(url(chat, "share/"))).count('name="withdraw"') == 2
    as_ada.post(url(chat, "share/"), {"withdraw": Share.objects.get(token=link.split("/")[2]).pk})
    assert Client().get(link).status_code == 404
    assert Client().get(other).status_code == 200


def test_a_link_to_a_deleted_chat_is_not_found_until_it_is_restored(as_ada, chat):
    link = share(as_ada, chat)
    as_ada.post(url(chat, "delete/"))
    assert Client().get(link).status_code == 404
    as_ada.post(url(chat, "take-back/"))
    assert Client().get(link).status_code == 200


def test_the_number_of_links_is_limited(as_ada, chat, monkeypatch):
    monkeypatch.setattr(sharing, "MAX_LINKS", 2)
    for _ in range(2):
        assert as_ada.post(url(chat, "share/")).status_code == 302
    response = as_ada.post(url(chat, "share/"))
    assert response.status_code == 400
    assert 'role="alert"' in body(response)
    assert Share.objects.count() == 2


def test_an_empty_chat_cannot_be_shared(as_ada, ada):
    assert as_ada.post(url(ChatSession.objects.create(owner=ada, agent="oracle"), "share/")).status_code == 400


def test_tokens_cannot_be_guessed(as_ada, chat):
    tokens = {share(as_ada, chat).split("/")[2] for _ in range(3)}
    assert len(tokens) == 3
    assert min(map(len, tokens)) >= 43
    for guess in ("x", "x" * 43, "x" * 10_000, "%00", next(iter(tokens))[:-1]):
        assert Client().get(f"/share/{guess}/").status_code == 404


def test_staff_revoke_a_link(admin_client, as_ada, chat):
    link = share(as_ada, chat)
    shared = Share.objects.get()
    listed = body(admin_client.get("/admin/agentchat/share/"))
    assert "Will it rain?" in listed
    assert shared.token not in listed + body(admin_client.get(f"/admin/agentchat/share/{shared.pk}/change/"))
    admin_client.post(f"/admin/agentchat/share/{shared.pk}/delete/", {"post": "yes"})
    assert Client().get(link).status_code == 404


def test_a_link_is_revoked_only_through_its_own_chat(as_ada, ada, chat):
    share(as_ada, chat)
    other = tell(ChatSession.objects.create(owner=ada, agent="oracle"), ("RUN_STARTED", {}))
    for withdraw in (Share.objects.get().pk, "x", "-1", "9" * 40):
        assert as_ada.post(url(other, "share/"), {"withdraw": withdraw}).status_code == 404
    assert Share.objects.count() == 1


def test_a_long_chat_is_rendered_while_it_is_sent(as_ada, chat, django_assert_max_num_queries):
    run = Run.objects.get()
    add(chat, run, ("RUN_FINISHED", {"outcome": {"type": "success"}}))  # nothing is unfinished any more
    add(chat, run, *[event for n in range(300) for event in said(f"m{n}", f"Line {n}: " + "long " * 500)])
    link = share(as_ada, chat)
    with django_assert_max_num_queries(12):
        response = Client().get(link)
        first = next(iter(response))
    assert b"<html" in first
    assert b"Line 0:" in first
    assert len(first) < 100_000
    rest = first + response.getvalue()
    numbers = [int(number) for number in re.findall(rb"<p[^>]*>Line (\d+):", rest)]
    assert numbers == list(range(300))
    assert rest.rstrip().endswith(b"</html>")
