"""API keys in admin: staff see whose they are, and revoke them."""

import pytest

from agentchat.actions import api_keys
from agentchat.models import ApiKey
from tests.admin.pages import member_of_staff

pytestmark = pytest.mark.django_db
LIST = "/admin/agentchat/apikey/"


@pytest.fixture
def text(owner, settings):
    settings.AGENTCHAT = {"APIS": ["openai"]}
    return api_keys.make(owner, name="Report", agents=["weather"], may_write=False, expires_at=None)[1]


def test_staff_see_a_key_and_never_its_text(text):
    key = ApiKey.objects.get()
    staff = member_of_staff("view_apikey")
    for html in (staff.get(LIST).text, staff.get(f"{LIST}{key.pk}/change/").text):
        assert all(each in html for each in ("Report", "olivia", key.hint, "weather"))
        assert text not in html
        assert key.digest not in html


@pytest.mark.parametrize("may", [True, False])
def test_keys_are_revoked_by_those_who_may(text, may):
    staff = member_of_staff("view_apikey", *(["delete_apikey"] if may else []))
    staff.post(LIST, {"action": "revoke", "_selected_action": [ApiKey.objects.get().pk]})
    assert (api_keys.find(text) is None) == may


def test_without_an_api_admin_does_not_list_them(text, settings):
    settings.AGENTCHAT = {}
    assert "/apikey/" not in member_of_staff("view_apikey").get("/admin/").text
