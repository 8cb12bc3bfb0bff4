"""What URLs of admin lists may ask about: what the lists show, and no column that they do not."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Model
from django.test import Client, RequestFactory

from agentchat.models import ChatSession, Feedback, Run, Share
from tests.admin.pages import chat, member_of_staff
from tests.factories import account

pytestmark = pytest.mark.django_db

MODELS = (ChatSession, Run, Feedback, Share)
COMPARISONS = ("", "__exact", "__gte", "__startswith", "__regex", "__in", "__isnull", "__length__gte", "__contains")
TO_A_LINK = "session__shares__token", "shares__token", "session__runs__session__shares__token", "runs__session__shares"


def columns_not_shown(model: type[Model]) -> set[str]:
    """The columns of a table that no filter of its list shows; and those of other tables that lead to a secret."""
    filters = admin.site.get_model_admin(model).list_filter
    filtered = {each[0] if isinstance(each, tuple) else each for each in filters}
    own = {field.name for field in model._meta.concrete_fields} - filtered - {"agent", "status"}
    related = {f"{name}__{field}" for name in ("owner", "session__owner") for field in ("password", "email")}
    return {*own, *related, *TO_A_LINK, "session__guest_key"}


def listed(model: str) -> str:
    return f"/admin/agentchat/{model}/"


@pytest.mark.parametrize("model", MODELS)
def test_a_column_that_is_not_shown_cannot_be_asked_about(rf: RequestFactory, model: type[Model]) -> None:
    pages, request = admin.site.get_model_admin(model), rf.get("/")
    lookups = {f"{column}{comparison}" for column in columns_not_shown(model) for comparison in COMPARISONS}
    assert [each for each in lookups if pages.lookup_allowed(each, "1", request)] == []


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        ("share", "token__gte"),
        ("share", "session__guest_key__startswith"),
        ("chatsession", "guest_key__startswith"),
        ("chatsession", "shares__token__gte"),
        ("run", "session__shares__token__gte"),
        ("feedback", "session__owner__password__startswith"),
    ],
)
def test_asking_about_a_secret_is_refused(staff: Client, model: str, lookup: str) -> None:
    assert staff.get(listed(model), {lookup: "a"}).status_code == 400


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("chatsession", {"created_at__gte": "2026-01-01 00:00:00+00:00"}),
        ("chatsession", {"status": "failed"}),
        ("chatsession", {"agent": "weather"}),
        ("chatsession", {"deleted_at__isempty": "0"}),
        ("run", {"status__exact": "failed", "agent": "weather"}),
        ("feedback", {"value__exact": "up", "comment__isempty": "1"}),
        ("share", {}),
    ],
)
def test_the_filters_of_the_lists_work(staff: Client, model: str, query: dict[str, str]) -> None:
    assert staff.get(listed(model), query).status_code == 200


def test_the_runs_of_a_chat_session_are_listed(staff: Client) -> None:
    mine, _other = chat(), chat()
    response = staff.get(listed("run"), {"session__id__exact": mine.pk})
    assert response.context["cl"].result_count == 2


@pytest.mark.parametrize("field", ["token", "guest_key", "session__guest_key", "password"])
@pytest.mark.parametrize("model", [model._meta.model_name for model in MODELS])
def test_a_popup_returns_no_other_column_than_the_key(staff: Client, model: str, field: str) -> None:
    assert staff.get(listed(model), {"_to_field": field, "_popup": "1"}).status_code == 400
    assert staff.get(f"{listed(model)}1/change/", {"_to_field": field}).status_code == 400


def test_who_may_see_links_sees_no_token_of_one_and_finds_none_by_it() -> None:
    member = member_of_staff("view_share")
    link = Share.objects.create(session=chat(account("ada"), title="Rain"), token="T" * 43, last_seq=1)
    pages = [listed("share"), f"{listed('share')}{link.pk}/change/", f"{listed('share')}{link.pk}/history/"]
    pages += [f"{listed('share')}?o={order}" for order in ("0", "1.2.3.4", "-5", "99", "token", "-token")]
    for page in pages:
        assert link.token not in member.get(page, follow=True).content.decode(), page
    found = member.get(listed("share"), {"q": link.token})
    assert found.context["cl"].result_count == 0
    assert member.get(listed("share"), {"q": "Rain"}).context["cl"].result_count == 1


def test_what_completes_a_name_asks_for_the_permission_to_see_it() -> None:
    member = member_of_staff("view_share")
    query = {"app_label": "agentchat", "model_name": "share", "field_name": "session", "term": "R"}
    assert member.get("/admin/autocomplete/", query).status_code == 403


def test_a_list_of_users_leads_to_no_secret_of_theirs_or_of_their_chats() -> None:
    member = member_of_staff("view_user", "view_chatsession", "view_share")
    assert Permission.objects.filter(codename="view_share").exists()
    for lookup in ("chat_sessions__guest_key__startswith", "chat_sessions__shares__token__gte", "password__startswith"):
        assert member.get("/admin/auth/user/", {lookup: "a"}).status_code == 400, lookup
