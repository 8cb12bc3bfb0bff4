"""Passwords cannot be guessed for long, and nobody is locked out by somebody elsewhere."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connections
from django.test import Client

from chatsite import sign_in as chatsite_sign_in
from tests import factories

HERE, ELSEWHERE = "8.8.4.4", "1.1.1.1"
PAGES = ["/accounts/login/", "/admin/login/"]


@pytest.fixture(autouse=True)
def site(settings):
    settings.ALLOWED_HOSTS = [factories.HOST]
    settings.AGENTCHAT = {"TRUSTED_PROXIES": 0}


def sign_in(password, *, page=PAGES[0], name="ada", address=HERE, **headers):
    client = Client(REMOTE_ADDR=address, **headers)
    return client.post(page, {"username": name, "password": password, "next": "/chat/"})


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_after_forty_wrong_passwords_the_right_one_is_refused_until_some_time_has_passed(page, clock):
    factories.account("ada", is_staff=True, is_superuser=True)
    statuses = [sign_in(f"wrong {number}", page=page).status_code for number in range(40)]
    assert statuses == [200] * 10 + [429] * 30
    refused = sign_in(factories.PASSWORD, page=page)
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "90"
    assert "Too many wrong passwords. Please try again in 2 minutes." in refused.content.decode()
    clock.now += 90  # what was refused has not counted
    assert sign_in(factories.PASSWORD, page=page).status_code == 302


@pytest.mark.django_db
def test_admin_and_the_site_s_page_count_together(clock):
    factories.account("ada", is_staff=True)
    for number in range(10):
        sign_in("wrong", page=PAGES[number % 2])
    assert [sign_in(factories.PASSWORD, page=page).status_code for page in PAGES] == [429, 429]


@pytest.mark.django_db
def test_the_user_signs_in_from_elsewhere_while_somebody_guesses(clock):
    factories.account("ada")
    for _ in range(40):
        sign_in("wrong")
    assert sign_in(factories.PASSWORD, address=ELSEWHERE).status_code == 302
    assert sign_in(factories.PASSWORD, HTTP_X_FORWARDED_FOR=ELSEWHERE).status_code == 429


@pytest.mark.django_db
def test_one_address_does_not_try_one_password_for_all_names(clock, monkeypatch):
    monkeypatch.setattr(chatsite_sign_in, "TRIES_OF_ADDRESS", 12)
    factories.account("ada")
    statuses = [sign_in("password1", name=f"user {number}").status_code for number in range(15)]
    assert statuses == [200] * 12 + [429] * 3
    assert sign_in("password1", name="ada").status_code == 429
    assert sign_in(factories.PASSWORD, address=ELSEWHERE).status_code == 302


@pytest.mark.django_db
def test_right_passwords_are_not_counted(clock):
    factories.account("ada")
    assert {sign_in(factories.PASSWORD).status_code for _ in range(12)} == {302}
    assert [sign_in("wrong").status_code for _ in range(11)] == [200] * 10 + [429]


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["/accounts/password_change/", "/admin/password_change/"])
def test_the_old_password_cannot_be_guessed_where_it_is_changed(page, clock):
    client = factories.signed_in(factories.account("ada", is_staff=True))
    client.defaults["REMOTE_ADDR"] = HERE
    page = client.get(page).headers.get("Location", page)
    new = {"new_password1": "Nn8-of-the-tests", "new_password2": "Nn8-of-the-tests"}
    statuses = [client.post(page, {"old_password": "wrong", **new}).status_code for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    assert client.post(page, {"old_password": factories.PASSWORD, **new}).status_code == 429
    assert sign_in(factories.PASSWORD).status_code == 429
    clock.now += 90
    assert client.post(page, {"old_password": factories.PASSWORD, **new}).status_code == 302


@pytest.mark.django_db
def test_what_is_refused_costs_no_hashing(clock, monkeypatch):
    factories.account("ada")
    for _ in range(10):
        sign_in("wrong")
    hashed = []
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda *args: hashed.append(args))
    assert sign_in("wrong").status_code == 429
    assert hashed == []


@pytest.mark.django_db(transaction=True)
def test_tries_at_the_same_time_do_not_pass_together():
    factories.account("ada")
    together = threading.Barrier(16, timeout=20)

    def guess(number):
        try:
            together.wait()
            return sign_in(f"wrong {number}").status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(guess, range(16)))
    assert statuses.count(429) == 6
