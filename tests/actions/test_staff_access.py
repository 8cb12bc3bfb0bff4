"""`@on_connect(staff=…)` in the inbox: what is open, how much is counted, and who is told."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agentchat.actions import colleagues, handovers
from agentchat.actions.addressed_users import users_for
from agentchat.actions.staff_inbox import read_board, waiting_for
from agentchat.core import registry
from agentchat.errors import ConfigError
from agentchat.models import ChatSession, DelegatedQuestion, Handover, Run

pytestmark = pytest.mark.django_db


def of_vault(user: Any) -> bool:
    return bool(user.username == "grace")


@pytest.fixture(autouse=True)
def vault() -> Iterator[None]:
    registry.on_connect("vault", staff=of_vault)(lambda iostream: iostream.input())
    yield
    registry.unregister("vault")


@pytest.fixture
def desk() -> dict[str, User]:
    """Two members of staff, and the owner of the chats, all in the group that is asked."""
    support = Group.objects.create(name="support")
    users = {name: User.objects.create_user(name, is_staff=True) for name in ("grace", "linus", "olivia")}
    for user in users.values():
        user.groups.add(support)
    return users


def question(owner: User, agent: str = "vault", kind: str = "group", value: str = "support") -> DelegatedQuestion:
    session = ChatSession.objects.create(owner=owner, agent=agent)
    run = Run.objects.create(session=session, number=1, agent=agent, status="waiting")
    asked = {"request": "1-1", "kind": "text", "prompt": "Yes?", "colleague": True}
    common = {"session": session, "run": run, "question": asked, "asked_at": timezone.now()}
    return DelegatedQuestion.objects.create(request="1-1", to_kind=kind, to_value=value, **common)


@pytest.mark.parametrize(("kind", "value"), [("group", "support"), ("staff", ""), ("function", f"{__name__}.anybody")])
def test_a_question_is_found_counted_and_announced_only_to_staff_of_the_agent(
    desk: dict[str, User], kind: str, value: str
) -> None:
    asked = question(desk["olivia"], kind=kind, value=value)
    other = question(desk["olivia"], "weather", kind=kind, value=value)
    board = read_board()
    grace, linus = desk["grace"], desk["linus"]
    assert {each.pk for each in colleagues.open_questions(grace)} == {asked.pk, other.pk}
    assert [each.pk for each in colleagues.open_questions(linus)] == [other.pk]
    assert [each.subject.pk for each in waiting_for(linus)] == [other.pk]
    assert (board.state_of(grace).count, board.state_of(linus).count) == (2, 1)
    assert colleagues.question_for(linus, asked.pk) is None
    assert colleagues.question_for(grace, asked.pk) == asked
    assert colleagues.question_for(desk["olivia"], asked.pk) == asked, "the owner needs no leave"
    told = {user.username for user in users_for(asked)}
    assert told == (set() if kind == "function" else {"grace", "olivia"})


def anybody(user: Any, question: Any) -> bool:
    return True


def test_a_handover_is_for_staff_of_the_agent_alone(desk: dict[str, User]) -> None:
    asked = question(desk["olivia"])
    handover = Handover.objects.create(
        session=asked.session, request="h", is_asked=True, to_kind="staff", opened_at=timezone.now()
    )
    for name, may in (("grace", True), ("linus", False)):
        assert handovers.may_take_part(desk[name], handover) is may
        assert handovers.may_watch(desk[name], asked.session_id) is may
        assert [each.pk for each in handovers.waiting_handovers(desk[name])] == [handover.pk] * may
    boss = User.objects.create_superuser("boss")
    assert not handovers.may_watch(boss, asked.session_id), "the function is asked of superusers, too"
    assert not handovers.may_take_part(boss, handover)


def test_agents_without_a_rule_cost_no_query_more(desk: dict[str, User]) -> None:
    asked = question(desk["olivia"], "weather")

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            grace = User.objects.get(username="grace")  # without the permissions that were looked up before
            colleagues.may_answer(grace, DelegatedQuestion.objects.get(pk=asked.pk))
            handovers.may_watch(grace, asked.session_id)
            read_board()
        return len(found)

    with_rule = queries()
    registry.unregister("vault")
    assert queries() == with_rule - 2, "one each for the chat of the question and of the page"


async def later(user: Any) -> bool:
    return True


@pytest.mark.parametrize("rule", [True, "staff", later])
def test_what_is_no_plain_function_is_refused_when_it_is_registered(rule: Any) -> None:
    with pytest.raises(ConfigError, match="staff="):
        registry.on_connect("safe", staff=rule)
