"""The page of what a visitor may use; what staff edit in admin; and what people read of a pause."""

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.core import mail

from agentchat.actions import notifications
from agentchat.budgets import metering, roll_up, rules
from agentchat.core import registry
from agentchat.models import BudgetWarning, ChatSession, Pause, UsageBudget
from tests.admin.pages import member_of_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create_user("ada", email="ada@example.com")


def words(answer) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def budgets(settings, *some) -> None:
    settings.AGENTCHAT = {"BUDGETS": list(some), "GUESTS": True}


def test_the_page_says_how_much_is_left_and_when_it_renews(client, ada, settings):
    budgets(
        settings,
        {"of": "owner", "what": "tokens", "limit": 200_000, "per": "day"},
        {"of": "site", "what": "cost", "limit": 100, "per": "month"},
        {"of": "group", "name": "sales", "what": "runs", "limit": 9, "per": "day"},
    )
    metering.record(metering.Spender(owner_id=ada.pk, guest_key="", agent="weather"), {"tokens": 12_345, "cost": 62.5})
    client.force_login(ada)
    page = words(client.get("/chat/usage/"))
    assert "Tokens per day Yours alone 6% used 12,345 of 200,000 used. 187,655 left. Renews on" in page
    assert "Cost per month Shared by everybody on this site 62% used" in page
    assert "62.5" not in page  # what others have used is not told
    assert "$100" not in page
    assert "sales" not in page
    ada.groups.add(Group.objects.create(name="sales"))
    metering.forget_groups()
    assert "Shared by your group: sales" in words(client.get("/chat/usage/"))
    client.cookies["django_language"] = "de"
    assert "12.345 von 200.000 verbraucht" in words(client.get("/chat/usage/"))


def test_pages_link_to_it_only_where_something_is_limited(client, settings):
    settings.AGENTCHAT = {"GUESTS": True}
    assert "/chat/usage/" not in client.get("/chat/").content.decode()
    assert "Nothing is limited" in words(client.get("/chat/usage/"))
    budgets(settings, {"of": "site", "what": "cost", "limit": 100, "per": "month"})
    assert "/chat/usage/" in client.get("/chat/").content.decode()


def test_a_pause_is_read_on_the_pages_and_escaped(client, ada):
    Pause.objects.create(agent="assistant", sentence="<b>Back</b> at noon")
    rules.refresh()  # as a supervisor does
    client.force_login(ada)
    chat = ChatSession.objects.create(agent="assistant", owner=ada)
    assert "&lt;b&gt;Back&lt;/b&gt; at noon" in client.get(f"/chat/{chat.pk}/").content.decode()
    refused = client.post("/chat/", {"agent": "assistant", "prompt": "Hello"})
    assert refused.status_code == 400
    assert "&lt;b&gt;Back&lt;/b&gt; at noon" in refused.content.decode()
    assert ChatSession.objects.count() == 1


# --- admin -----------------------------------------------------------------------------------------------------------

BUDGET = {"of": "site", "name": "", "what": "cost", "limit": "12.50", "per": "month", "is_active": "on"}


def test_staff_with_the_permission_edit_budgets_and_each_edit_is_in_the_log():
    staff = member_of_staff("add_usagebudget", "change_usagebudget", "view_usagebudget", "delete_usagebudget")
    assert staff.post("/admin/agentchat/usagebudget/add/", BUDGET).status_code == 302
    budget = UsageBudget.objects.get()
    [rule] = rules.budgets()
    assert (rule.of, rule.limit) == ("site", 12.5)
    metering.record(metering.Spender(owner_id=None, guest_key="abc"), {"cost": 5})
    assert "$5.00 (40 %)" in words(staff.get("/admin/agentchat/usagebudget/"))
    staff.post(f"/admin/agentchat/usagebudget/{budget.pk}/change/", {**BUDGET, "limit": "20"})
    staff.post(f"/admin/agentchat/usagebudget/{budget.pk}/delete/", {"post": "yes"})
    assert [entry.action_flag for entry in LogEntry.objects.order_by("pk")] == [1, 2, 3]
    assert rules.budgets() == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"of": "moon"},
        {"limit": "-1"},
        {"limit": "NaN"},
        {"limit": "1e30"},
        {"name": "weather"},
        {"of": "member"},
        {"of": "group", "name": "no such group"},
        {"of": "agent", "name": "no_such_agent"},
        {"per": "year"},
    ],
)
def test_what_is_no_budget_is_refused_at_its_field(wrong):
    staff = member_of_staff("add_usagebudget")
    answer = staff.post("/admin/agentchat/usagebudget/add/", {**BUDGET, **wrong})
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert not UsageBudget.objects.exists()


@pytest.mark.parametrize("page", ["usagebudget/", "usagebudget/add/", "budgetwarning/", "pause/", "pause/add/"])
def test_staff_without_the_permission_see_none_of_it(page):
    assert member_of_staff().get(f"/admin/agentchat/{page}").status_code == 403


def test_staff_pause_an_agent_that_they_choose():
    staff = member_of_staff("add_pause", "view_pause", "delete_pause")
    name = registry.names()[0]
    assert name in staff.get("/admin/agentchat/pause/add/").content.decode()
    assert staff.post("/admin/agentchat/pause/add/", {"agent": "no_such", "sentence": ""}).status_code == 200
    staff.post("/admin/agentchat/pause/add/", {"agent": name, "sentence": "Later."})
    assert rules.pause_of(name) == "Later."
    assert LogEntry.objects.count() == 1
    staff.post("/admin/agentchat/pause/add/", {"agent": "", "sentence": "All is closed."})
    assert rules.pause_of("whatever") == "All is closed."


def test_staff_who_may_know_are_sent_one_mail_at_80_percent(settings, django_user_model):
    settings.AGENTCHAT = {
        "BUDGETS": [{"of": "site", "what": "tokens", "limit": 100, "per": "month"}],
        "NOTIFY": "agentchat.actions.email.send",
        "SITE_URL": "https://chat.example",
    }
    django_user_model.objects.create_superuser("root", email="root@example.com")
    django_user_model.objects.create_user("pat", email="pat@example.com", is_staff=True)  # without the permission
    for _ in range(2):
        metering.record(metering.Spender(owner_id=None, guest_key="abc"), {"tokens": 85})
        roll_up.warn(roll_up.add_up())
        notifications.deliver_warnings()
    [message] = mail.outbox
    assert message.bcc == ["root@example.com"]
    assert message.subject == "A budget is nearly used up"
    assert "https://chat.example/admin/agentchat/budgetwarning/" in message.body
    root = member_of_staff("view_budgetwarning")
    assert "85 tokens" in words(root.get("/admin/agentchat/budgetwarning/"))
    warning = BudgetWarning.objects.get()
    assert root.get(f"/admin/agentchat/budgetwarning/{warning.pk}/change/").status_code == 200
    assert root.post(f"/admin/agentchat/budgetwarning/{warning.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_mail_server_that_is_down_is_asked_again_later(settings, time_passes):
    settings.AGENTCHAT = {
        "BUDGETS": [{"of": "site", "what": "tokens", "limit": 100, "per": "month"}],
        "NOTIFY": "tests.web.views.test_usage.fail_once",
        "SITE_URL": "https://chat.example",
    }
    metering.record(metering.Spender(owner_id=None, guest_key="abc"), {"tokens": 85})
    roll_up.warn(roll_up.add_up())
    notifications.deliver_warnings()
    notifications.deliver_warnings()
    assert len(calls) == 1
    time_passes(timedelta(minutes=1))
    notifications.deliver_warnings()
    notifications.deliver_warnings()
    assert [each.budget.used for each in calls] == [85, 85]


calls: list[notifications.Notification] = []


def fail_once(notification: notifications.Notification) -> None:
    calls.append(notification)
    if len(calls) == 1:
        raise OSError("no route to host")
