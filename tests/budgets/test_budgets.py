"""Budgets in real runs: what is refused, what is counted, and when it begins anew."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection, transaction
from pydantic import BaseModel

from agentchat import AssistantAgent, UserProxyAgent, llm_config
from agentchat.actions import chats
from agentchat.budgets import metering, periods, roll_up, rules
from agentchat.core.budget_rules import BudgetRule
from agentchat.errors import BudgetExceeded, Rejected
from agentchat.infra import moments
from agentchat.models import BudgetWarning, ChatSession, Pause, Step, UsageBudget, UsageRecord
from agentchat.runs.limit_gate import BUDGET
from agentchat.testing import say
from agentchat.visitors import Visitor

pytestmark = pytest.mark.django_db(transaction=True)

TOKENS = {"of": "owner", "what": "tokens", "limit": 1, "per": "day"}


def used(scope: str) -> list[tuple[str, int, int, int]]:
    """The key, tokens, messages and runs of each share of this scope."""
    found: dict[str, list[int]] = {}
    for row in UsageRecord.objects.filter(scope=scope):
        sums = found.setdefault(row.key, [0, 0, 0])
        for index, amount in enumerate((row.tokens, row.messages, row.runs)):
            sums[index] += amount
    return [(key, *sums) for key, sums in sorted(found.items())]


@pytest.fixture
def echo(agent_function):
    """An agent function that asks a model again and again."""

    def ask_again(iostream):
        assistant = AssistantAgent("assistant", llm_config=llm_config())
        while True:
            iostream.input()
            try:
                assistant.generate_reply([{"role": "user", "content": "Hello"}])
            except BudgetExceeded as error:
                iostream.print(f"refused: {error}")
            else:
                iostream.print("answered")

    return agent_function(ask_again)


def test_a_budget_that_is_used_up_ends_the_run_before_the_next_call_and_says_when_it_renews(
    agent_chat, scripted_llm, settings
):
    settings.AGENTCHAT = {"BUDGETS": [TOKENS]}
    scripted_llm.replies(say("One."))
    chat = agent_chat("assistant")
    chat.send("Hello")
    chat.wait_for("TEXT_MESSAGE_END", content="One.")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("And?")
    error = chat.wait_for("RUN_ERROR")
    assert error["code"] == "budget_exceeded"
    renewed = periods.renews_at("day", periods.today())
    assert error["params"] == {"renews_at": renewed.isoformat()}
    assert error["message"].startswith("The budget for this is used up. It renews on ")
    assert len(scripted_llm.requests) == 1


def test_a_refusal_is_recorded_so_a_replay_goes_the_same_way(echo, agent_chat, scripted_llm, settings):
    settings.AGENTCHAT = {"BUDGETS": [TOKENS]}
    scripted_llm.replies(say("One."), say("Two."))
    chat = agent_chat(echo)
    chat.send("1")
    chat.wait_for("PRINTED", text="answered\n")
    chat.send("2")
    chat.wait_for("PRINTED", text="refused: the budget of 1 tokens of owner per day is used up\n")
    settings.AGENTCHAT = {}  # more is allowed now, and what was refused stays refused
    chat.send("3")
    chat.wait_for("PRINTED", text="answered\n", count=2)
    assert [step.name for step in Step.objects.order_by("number") if step.kind == "input"].count(BUDGET) == 1
    assert len(scripted_llm.requests) == 2
    chat.replayed()


def test_a_retry_asks_the_budget_again(agent_chat, scripted_llm, settings):
    settings.AGENTCHAT = {"BUDGETS": [{**TOKENS, "limit": 0}]}
    scripted_llm.replies(say("One."))
    chat = agent_chat("assistant")
    chat.send("Hello")
    chat.wait_for("RUN_ERROR")
    settings.AGENTCHAT = {"BUDGETS": [TOKENS]}
    chat.retry()
    chat.wait_for("TEXT_MESSAGE_END", content="One.")


def test_a_call_within_a_step_is_refused_too(agent_function, agent_chat, scripted_llm, settings):
    settings.AGENTCHAT = {"BUDGETS": [{"of": "site", "what": "cost", "limit": 0, "per": "month"}]}

    def summarise(iostream):
        assistant = AssistantAgent("assistant", llm_config=llm_config())
        iostream.input()
        iostream.step("summary", lambda: assistant.generate_reply([{"role": "user", "content": "Hello"}]))

    chat = agent_chat(agent_function(summarise))
    chat.send("Hello")
    error = chat.wait_for("RUN_ERROR")
    assert (error["code"], error["params"]["renews_at"][-6:]) == (
        "budget_exceeded",
        periods.renews_at("month", periods.today()).isoformat()[-6:],
    )
    assert not scripted_llm.requests


def test_a_nested_chat_is_refused_too(agent_function, agent_chat, scripted_llm, settings):
    settings.AGENTCHAT = {"BUDGETS": [TOKENS]}
    scripted_llm.replies(say("The inner answer."))

    def nested(iostream):
        outer = AssistantAgent("outer", llm_config=llm_config())
        inner = AssistantAgent("inner", llm_config=llm_config())
        user = UserProxyAgent("user", human_input_mode="NEVER", max_consecutive_auto_reply=1)
        nested_chats = [{"recipient": inner, "max_turns": 2, "summary_method": "last_msg"}]
        outer.register_nested_chats(nested_chats, trigger=user)
        iostream.input()
        user.initiate_chat(outer, message="Begin", max_turns=2)

    chat = agent_chat(agent_function(nested))
    chat.send("Hello")
    chat.wait_for("TEXT_MESSAGE_END", content="The inner answer.")
    assert chat.wait_for("RUN_ERROR")["code"] == "budget_exceeded"
    assert any(frame["type"] == "STEP_STARTED" for frame in chat.frames)  # as a nested chat begins


def test_messages_and_runs_are_refused_where_they_are_sent(agent_chat, scripted_llm, settings, agent_function):
    settings.AGENTCHAT = {
        "BUDGETS": [
            {"of": "guests", "what": "messages", "limit": 3, "per": "day"},
            {"of": "agent", "name": "once", "what": "runs", "limit": 1, "per": "day"},
        ]
    }
    once = agent_chat(agent_function(lambda iostream: iostream.input() and None, name="once"))
    once.send("1")
    once.wait_for("RUN_FINISHED")
    with pytest.raises(Rejected) as refused:
        once.send("2")
    assert refused.value.reason == "budget_exceeded"
    assert 0 < refused.value.retry_after <= 86_400
    scripted_llm.always(say("Fine."))
    chat = agent_chat("assistant")
    for number in (1, 2):
        chat.send("Hello")
        chat.wait_for("INPUT_REQUESTED", count=number)
    with pytest.raises(Rejected, match="budget"):
        chat.send("Hello")
    assert used("guests") == [("", 0, 3, 0)]
    assert used("agent") == [("once", 0, 0, 1)]


def test_each_share_is_counted_by_itself(agent_chat, scripted_llm, settings, django_user_model):
    settings.AGENTCHAT = {
        "BUDGETS": [
            {"of": "owner", "what": "messages", "limit": 9, "per": "day"},
            {"of": "group", "name": "sales", "what": "messages", "limit": 3, "per": "month"},
            {"of": "member", "name": "trial", "what": "messages", "limit": 1, "per": "day"},
        ]
    }
    scripted_llm.always(say("Fine."))
    sales, trial = Group.objects.create(name="sales"), Group.objects.create(name="trial")
    ada, bob, eve = (django_user_model.objects.create_user(name) for name in ("ada", "bob", "eve"))
    ada.groups.add(sales)
    bob.groups.add(sales)
    eve.groups.add(trial)

    def send(user):
        chat = agent_chat("assistant", user=user)
        chat.send("Hello")
        chat.wait_for("INPUT_REQUESTED")

    for user in (ada, ada, bob, eve):
        send(user)
    for user in (bob, eve):
        with pytest.raises(Rejected, match="budget"):
            send(user)
    assert used("owner") == sorted(
        [(f"user {ada.pk}", 0, 2, 0), (f"user {bob.pk}", 0, 1, 0), (f"user {eve.pk}", 0, 1, 0)]
    )
    assert used("group") == [("sales", 0, 3, 0)]


def test_without_a_budget_nothing_is_written(agent_chat, scripted_llm):
    scripted_llm.replies(say("Fine."))
    chat = agent_chat("assistant")
    chat.send("Hello")
    chat.wait_for("INPUT_REQUESTED")
    assert not UsageRecord.objects.exists()


def test_fifty_chats_at_once_overrun_a_budget_by_the_calls_that_are_at_work(
    agent_function, agent_chat, scripted_llm, settings
):
    settings.AGENTCHAT = {"BUDGETS": [{"of": "site", "what": "tokens", "limit": 1, "per": "day"}]}
    scripted_llm.always(say("Fine."))

    def spender(iostream):
        assistant = AssistantAgent("assistant", llm_config=llm_config())
        iostream.input()
        for _ in range(5):
            assistant.generate_reply([{"role": "user", "content": "Hello"}])

    name = agent_function(spender)
    several = [agent_chat(name) for _ in range(50)]
    for chat in several:
        chat.send("Begin")
    for chat in several:
        assert chat.wait_for("RUN_ERROR")["code"] == "budget_exceeded"
    assert 1 <= len(scripted_llm.requests) <= len(several)


# --- what is added up ------------------------------------------------------------------------------------------------


def spend(key: str, *, tokens: int = 0, day: date | None = None, scope: str = "owner") -> None:
    UsageRecord.objects.create(scope=scope, key=key, day=day or periods.today(), tokens=tokens)


def test_adding_up_changes_no_sum_and_leaves_one_row_for_each_day():
    today = periods.today()
    for amount in (1, 2, 4):
        spend("user 1", tokens=amount)
    spend("user 1", tokens=8, day=today - timedelta(days=1))
    spend("user 2", tokens=16)
    roll_up.add_up()
    spend("user 1", tokens=32)
    roll_up.add_up()
    rows = sorted(UsageRecord.objects.values_list("key", "day", "tokens", "is_sum"))
    assert rows == sorted(
        [("user 1", today, 39, True), ("user 1", today - timedelta(days=1), 8, True), ("user 2", today, 16, True)]
    )


def test_several_processes_add_up_at_the_same_time_and_lose_nothing():
    for _ in range(60):
        spend("", tokens=1, scope="site")
    threads = [threading.Thread(target=_add_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(UsageRecord.objects.values_list("tokens", flat=True)) == 60


def _add_up() -> None:
    try:
        roll_up.add_up()
    finally:
        connection.close()


def test_staff_are_warned_once_in_a_period_when_80_percent_are_used(settings):
    settings.AGENTCHAT = {"BUDGETS": [{"of": "site", "what": "tokens", "limit": 100, "per": "month"}]}
    spend("", tokens=79, scope="site")
    roll_up.warn(roll_up.add_up())
    assert not BudgetWarning.objects.exists()
    for _ in range(2):
        spend("", tokens=1, scope="site")
        roll_up.warn(roll_up.add_up())
    warning = BudgetWarning.objects.get()
    assert (warning.of, warning.used, warning.since.day) == ("site", 80, 1)


def test_a_deleted_chat_still_counts_and_a_deleted_account_leaves_only_what_is_nobodys(
    agent_chat, scripted_llm, settings, django_user_model
):
    settings.AGENTCHAT = {"BUDGETS": [TOKENS, {**TOKENS, "of": "site", "limit": 10**6}]}
    scripted_llm.replies(say("Fine."))
    ada = django_user_model.objects.create_user("ada")
    chat = agent_chat("assistant", user=ada)
    chat.send("Hello")
    chat.wait_for("INPUT_REQUESTED")
    chats.delete_all_permanently(Visitor(user=ada))
    spender = metering.Spender(owner_id=ada.pk, guest_key="")
    assert metering.used_up(spender, ["tokens"]) is not None
    ada.delete()
    assert not UsageRecord.objects.filter(scope="owner").exists()
    assert UsageRecord.objects.get(scope="site").tokens > 1


def test_a_guest_who_signs_in_has_used_what_they_have_used(settings, django_user_model):
    settings.AGENTCHAT = {"BUDGETS": [TOKENS]}
    guest = Visitor(guest_key="sha224:abc")
    metering.record(metering.Spender(owner_id=None, guest_key=guest.guest_key), {"tokens": 5})
    ada = django_user_model.objects.create_user("ada")
    metering.move(guest.guest_key, ada.pk)
    assert used("owner") == [(f"user {ada.pk}", 5, 0, 0)]


# --- periods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "now", "day", "per", "renews"),
    [
        ("Europe/Berlin", "2026-03-28T22:59:00+00:00", "2026-03-28", "day", "2026-03-28T23:00:00+00:00"),
        ("Europe/Berlin", "2026-03-28T23:00:00+00:00", "2026-03-29", "day", "2026-03-29T22:00:00+00:00"),
        ("Europe/Berlin", "2026-10-24T22:30:00+00:00", "2026-10-25", "day", "2026-10-25T23:00:00+00:00"),
        ("Europe/Berlin", "2026-12-31T22:59:59+00:00", "2026-12-31", "month", "2026-12-31T23:00:00+00:00"),
        ("Europe/Berlin", "2028-02-28T23:30:00+00:00", "2028-02-29", "month", "2028-02-29T23:00:00+00:00"),
        ("America/Los_Angeles", "2026-12-01T07:59:00+00:00", "2026-11-30", "month", "2026-12-01T08:00:00+00:00"),
        # There is no midnight: clocks are put on from 0:00 to 1:00.
        ("Africa/Cairo", "2026-04-23T12:00:00+00:00", "2026-04-23", "day", "2026-04-23T22:00:00+00:00"),
    ],
)
def test_periods_are_days_and_months_of_the_sites_zone(monkeypatch, settings, zone, now, day, per, renews):
    settings.TIME_ZONE = zone
    monkeypatch.setattr(moments, "now", lambda: datetime.fromisoformat(now))
    assert periods.today().isoformat() == day
    assert periods.renews_at(per, periods.today()).astimezone(UTC).isoformat() == renews


def test_a_budget_is_renewed_with_its_day(settings, time_passes):
    settings.AGENTCHAT = {"BUDGETS": [TOKENS]}
    spender = metering.Spender(owner_id=None, guest_key="abc")
    metering.record(spender, {"tokens": 5})
    assert metering.used_up(spender, ["tokens"]) is not None
    time_passes(timedelta(days=1))
    assert metering.used_up(spender, ["tokens"]) is None


# --- what staff edit -------------------------------------------------------------------------------------------------


def test_a_budget_of_admin_holds_at_once_and_no_longer_when_it_is_deleted():
    assert rules.budgets() == ()
    budget = UsageBudget.objects.create(of="site", what="runs", limit=3, per="day")
    assert rules.budgets() == (BudgetRule(of="site", what="runs", limit=3, per="day"),)
    budget.delete()
    assert rules.budgets() == ()


def test_what_was_read_before_an_edit_is_not_kept_after_it(monkeypatch):
    stored = rules._Stored

    def edit_meanwhile(**read):
        monkeypatch.setattr(rules, "_Stored", stored)
        Pause.objects.create(agent="probe")
        return stored(**read)

    monkeypatch.setattr(rules, "_Stored", edit_meanwhile)
    rules.refresh()
    assert rules.pause_of("probe") == ""


def test_an_edit_holds_as_soon_as_its_transaction_is_committed():
    def read_elsewhere():
        rules.refresh()
        connection.close()

    with transaction.atomic():
        Pause.objects.create(agent="probe")
        supervisor = threading.Thread(target=read_elsewhere)
        supervisor.start()
        supervisor.join()
        assert rules.known_pause_of("probe") is None
    assert rules.pause_of("probe") == ""


def test_a_paused_agent_takes_no_message_and_what_runs_is_finished(agent_function, agent_chat):
    def form(iostream):
        iostream.input()
        iostream.step("long", lambda: None)
        iostream.print("done")

    entered, may_go = threading.Event(), threading.Event()

    def work():
        entered.set()
        may_go.wait(20)

    def slow(iostream):
        iostream.input()
        iostream.step("long", work)
        iostream.print("done")

    chat = agent_chat(agent_function(slow))
    chat.send("Begin")
    assert entered.wait(20)
    Pause.objects.create(agent="probe", sentence="We are moving house. Back at noon.")
    with pytest.raises(Rejected, match="We are moving house") as refused:
        chat.send("More")
    assert refused.value.reason == "paused"
    may_go.set()
    chat.wait_for("PRINTED", text="done\n")
    chat.wait_for("RUN_FINISHED")
    with pytest.raises(Rejected, match="moving house"):
        chat.retry()
    other = agent_chat(agent_function(form, name="other"))
    other.send("Begin")  # another agent
    other.wait_for("RUN_FINISHED")
    Pause.objects.all().delete()
    chat.send("Again")
    chat.wait_for("RUN_FINISHED", count=2)


def test_what_a_run_waits_for_can_be_answered_while_its_agent_is_paused(agent_function, agent_chat):
    class Wish(BaseModel):
        city: str

    def book(iostream):
        iostream.input()
        iostream.print(iostream.ask("Where to?", Wish).city)
        iostream.input("Anything else?")

    chat = agent_chat(agent_function(book))
    chat.send("Begin")
    form = chat.wait_for("INPUT_REQUESTED", kind="form")
    Pause.objects.create(agent="probe")
    chat.answer(form["request"], {"city": "Oslo"})
    question = chat.wait_for("INPUT_REQUESTED", prompt="Anything else?")
    with pytest.raises(Rejected) as refused:  # as a message would be
        chat.answer(question["request"], "A hotel")
    assert refused.value.reason == "paused"


def test_the_whole_site_can_be_paused(agent_chat):
    Pause.objects.create()
    with pytest.raises(Rejected, match="right now"):
        agent_chat("assistant").send("Hello")
    assert not ChatSession.objects.get().runs.exists()
