"""Where users sign in, sign out and change their password, in projects that have other names for these pages."""

import pytest
from django.http import HttpResponse
from django.urls import include, path, set_script_prefix

from agentchat.web import accounts

URLS = "tests.web.test_accounts"


def page(request):
    return HttpResponse("Here")


urlpatterns = [
    path("accounts/login/", page, name="account_login"),
    path("accounts/logout/", page, name="account_logout"),
    path("accounts/password/change/", page, name="account_change_password"),
    path("sso/leave/", page, name="leave"),
    path("", include("agentchat.urls")),
]


@pytest.fixture
def allauth(settings):
    settings.ROOT_URLCONF = URLS
    settings.LOGIN_URL = "account_login"


def test_the_names_of_django_allauth_are_known(allauth):
    assert accounts.login_url() == "/accounts/login/"
    assert accounts.login_url(next="/chat/?q=a") == "/accounts/login/?next=/chat/%3Fq%3Da"
    assert accounts.logout_url() == "/accounts/logout/"
    assert accounts.password_change_url() == "/accounts/password/change/"


def test_other_names_and_urls_can_be_set(allauth, settings):
    settings.AGENTCHAT = {"LOGOUT_URL": "leave", "PASSWORD_CHANGE_URL": "https://sso.example/password"}
    assert accounts.logout_url() == "/sso/leave/"
    assert accounts.password_change_url() == "https://sso.example/password"


@pytest.mark.parametrize(
    ("login_url", "found"),
    [
        ("https://sso.example/?for=chats", "https://sso.example/?for=chats&next=/chat/"),
        ("/accounts/login/?by=mail", "/accounts/login/?by=mail&next=/chat/"),
        ("/sso/", "/sso/?next=/chat/"),  # of another application, perhaps
        ("login", None),
    ],
)
def test_a_sign_in_keeps_its_query_and_one_without_a_page_is_not_offered(allauth, settings, login_url, found):
    settings.LOGIN_URL = login_url
    assert accounts.login_url(next="/chat/") == found


def test_django_s_default_is_offered_only_where_it_has_a_page(allauth, settings):
    settings.LOGIN_URL = "/accounts/login/"
    assert accounts.login_url() == "/accounts/login/"
    settings.ROOT_URLCONF = "agentchat.urls"
    assert accounts.login_url() is None


def test_below_a_path_the_default_address_is_not_ours(allauth, settings):
    settings.LOGIN_URL = "/accounts/login/"
    set_script_prefix("/app/")
    try:
        assert accounts.login_url() is None
        settings.LOGIN_URL = "/app/accounts/login/"
        assert accounts.login_url() == "/app/accounts/login/"
        settings.LOGIN_URL = "/sso/"
        assert accounts.login_url() == "/sso/"
    finally:
        set_script_prefix("/")


@pytest.mark.django_db
def test_a_sign_out_on_another_site_gets_no_token_of_ours(client, settings, django_user_model):
    client.force_login(django_user_model.objects.create_user("ada"))
    form, link = '<form method="post" action="', '<a href="https://sso.example/leave">Sign out</a>'
    assert f'{form}/accounts/logout/"' in client.get("/chat/").text
    settings.AGENTCHAT = {"LOGOUT_URL": "https://sso.example/leave"}
    page = client.get("/chat/").text
    assert link in page
    assert f"{form}https" not in page
