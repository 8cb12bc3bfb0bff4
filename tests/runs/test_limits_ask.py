"""Who is asked when a run has reached a limit: LIMITS_ASK."""

import pytest
from django.contrib.auth.models import Permission
from django.utils import translation

from agentchat.actions.staff_inbox import waiting_for
from agentchat.errors import LimitExceeded, Rejected
from agentchat.models import Step

pytestmark = pytest.mark.django_db(transaction=True)

APPROVE, REJECT = {"decision": "approve"}, {"decision": "reject"}


@pytest.fixture
def busy(agent_function):
    def make_steps(iostream):
        iostream.input()
        for n in range(4):
            iostream.step(f"number {n}", lambda n=n: n)
        iostream.print("done")

    return agent_function(make_steps)


@pytest.fixture
def sam(django_user_model):
    return django_user_model.objects.create_user("sam", is_staff=True)


def limits(settings, **more) -> None:
    settings.AGENTCHAT = {"MAX_STEPS": 3, **more}


def test_where_there_is_staff_they_are_asked_and_the_owner_cannot_answer(busy, agent_chat, settings, sam):
    limits(settings)
    chat = agent_chat(busy)
    chat.send("work")
    question = chat.wait_for("INPUT_REQUESTED")
    assert (question["code"], question["colleague"]) == ("limit_steps", True)
    assert question["prompt"] == "Steps taken so far: 3. Continue?"  # the owner may know what is asked
    with pytest.raises(Rejected):
        chat.answer(question["request"], APPROVE)
    assert [entry.subject.prompt for entry in waiting_for(sam)] == [question["prompt"]]
    with translation.override("de"):
        assert [entry.subject.prompt for entry in waiting_for(sam)] == ["Bisherige Schritte: 3. Fortfahren?"]
    chat.answer(question["request"], APPROVE, by=sam)
    chat.wait_for("PRINTED", text="done\n")
    chat.wait_for("RUN_FINISHED")
    chat.replayed()


@pytest.mark.parametrize("is_staff_there", [True, False])
def test_the_owner_is_asked_if_the_site_says_so_or_has_no_staff(
    busy, agent_chat, settings, django_user_model, is_staff_there
):
    limits(settings, **({"LIMITS_ASK": "owner"} if is_staff_there else {}))
    if is_staff_there:
        django_user_model.objects.create_user("sam", is_staff=True)
    chat = agent_chat(busy)
    chat.send("work")
    chat.answer(chat.wait_for("INPUT_REQUESTED")["request"], APPROVE)
    chat.wait_for("RUN_FINISHED")


def test_those_with_a_permission_are_asked(busy, agent_chat, settings, sam, django_user_model):
    limits(settings, LIMITS_ASK="agentchat.raise_limits")
    lead = django_user_model.objects.create_user("lead")
    lead.user_permissions.add(Permission.objects.get(codename="raise_limits"))
    chat = agent_chat(busy)
    chat.send("work")
    question = chat.wait_for("INPUT_REQUESTED")
    with pytest.raises(Rejected):
        chat.answer(question["request"], APPROVE, by=sam)
    chat.answer(question["request"], REJECT, by=lead)
    assert chat.wait_for("RUN_ERROR")["code"] == "cap_reached"


def test_nobody_is_asked_and_the_refusal_is_recorded(agent_function, agent_chat, settings):
    limits(settings, LIMITS_ASK="nobody")

    def gives_up(iostream):
        iostream.input()
        try:
            for n in range(9):
                iostream.step(f"number {n}", lambda n=n: n)
        except LimitExceeded:
            iostream.print("enough")
        iostream.input("What now?")

    chat = agent_chat(agent_function(gives_up))
    chat.send("work")
    chat.wait_for("PRINTED", text="enough\n")
    limits(settings, MAX_STEPS=100)  # what was refused stays refused
    chat.wait_for("INPUT_REQUESTED")
    chat.send("Bye")
    chat.wait_for("RUN_FINISHED")
    assert Step.objects.filter(kind="step").count() == 3
    chat.replayed()
