"""Questions to somebody else than the owner of a chat: who may answer, and what the owner gets to see."""

import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from pydantic import BaseModel, Field

import agentchat
from agentchat import ConversableAgent, UserProxyAgent, group, llm_config, register_function, reply
from agentchat.actions import colleagues, sharing
from agentchat.errors import Rejected
from agentchat.models import ChatSession, DelegatedQuestion, Run, Step
from agentchat.realtime.frames import visible_frame
from agentchat.runs import supervisor
from agentchat.runs.delegated_questions import escalate_due
from agentchat.testing import call, say
from agentchat.visitors import Visitor
from tests.factories import account, signed_in

SECRET = "Umbrella Corp"  # an argument that the owner must not see


@pytest.fixture
def paid():
    return []


@pytest.fixture
def cashier(agent_function, paid):
    """Registers an agent function whose tool is approved by somebody else."""

    def register(**options):
        def cashier(iostream):
            agent = ConversableAgent("cashier", llm_config=llm_config())
            person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=1)

            def pay(amount: int, to: str) -> str:
                """Pay."""
                paid.append((amount, to))
                return "It was paid."

            register_function(pay, caller=agent, executor=person, approval=True, **options)
            person.initiate_chat(agent, message=iostream.input(), max_turns=2)

        return agent_function(cashier)

    return register


@pytest.fixture
def asked(cashier, scripted_llm, agent_chat):
    """A customer's chat in which a payment waits for somebody of the group "support"."""

    def ask(**options):
        scripted_llm.replies(call("pay", amount=50, to=SECRET), say("Done."))
        chat = agent_chat(cashier(**{"to": group("support"), **options}))
        chat.send("pay")
        return chat, chat.wait_for("INPUT_REQUESTED")

    return ask


def colleague(name="grace", **fields):
    user = account(name, **fields)
    user.groups.add(Group.objects.get_or_create(name="support")[0])
    return user


def shown_to_owner(chat):
    """The frames that the page of an owner gets who is not staff."""
    return [visible_frame(each, shows_usage=False, shows_details=False) for each in chat.frames]


def decide(chat, question, user, value=None):
    visitor, value = Visitor(user=user), {"decision": "approve"} if value is None else value
    colleagues.answer(chat.session.pk, visitor, client_id=uuid.uuid4(), request=question["request"], value=value)


def test_a_colleague_approves_a_call(asked, paid):
    chat, question = asked()
    assert question["colleague"] is True
    decide(chat, question, colleague())
    chat.wait_for("RUN_FINISHED")
    assert paid == [(50, SECRET)]
    assert chat.wait_for("INPUT_ANSWERED")["by"] == "grace"
    row = DelegatedQuestion.objects.get()
    assert (row.outcome, row.answered_by.username, row.tool) == ("answered", "grace", "pay")


# --- who may answer -------------------------------------------------------------------------------------------------


def only_the_tall(user, question):
    """A site's own rule, by the path of this function."""
    return user.username.startswith("tall") and question.arguments["amount"] < 100 and question.session is not None


def may_pay(user):
    user.user_permissions.add(Permission.objects.get(codename="change_chatsession"))
    return user


ADDRESSEES = {
    "a permission": (lambda: "agentchat.change_chatsession", lambda: may_pay(account("teller"))),
    "a group": (lambda: group("support"), lambda: colleague("teller")),
    "a user": (lambda: account("teller"), lambda: get_user_model().objects.get(username="teller")),
    "staff": (lambda: agentchat.staff(), lambda: account("teller", is_staff=True)),
    "a function": (lambda: "tests.actions.test_colleagues.only_the_tall", lambda: account("tall teller")),
}


@pytest.mark.parametrize("kind", ADDRESSEES)
def test_an_answer_counts_from_those_alone_whom_the_question_is_for(asked, paid, kind):
    to, allowed = ADDRESSEES[kind]
    chat, question = asked(to=to())
    answerer, others = allowed(), [account("ada"), account("root", is_staff=kind != "staff"), None]
    assert [each.request for each in colleagues.open_questions(answerer)] == [question["request"]]
    for other in others:
        assert colleagues.open_questions(other) == []
        with pytest.raises(Rejected) as rejected:
            decide(chat, question, other)
        assert rejected.value.reason == "not_allowed"
    decide(chat, question, answerer)
    chat.wait_for("RUN_FINISHED")
    assert paid == [(50, SECRET)]
    assert colleagues.open_questions(answerer) == []
    assert [each.outcome for each in colleagues.closed_questions(answerer)] == ["answered"]


def test_the_answer_is_judged_by_what_its_user_may_at_that_moment(asked, paid):
    chat, question = asked()
    grace = colleague()
    assert colleagues.open_questions(grace)
    get_user_model().objects.get(pk=grace.pk).groups.clear()
    with pytest.raises(Rejected, match="A colleague decides"):
        decide(chat, question, grace)
    get_user_model().objects.filter(pk=grace.pk).update(is_active=False)
    grace.groups.add(Group.objects.get(name="support"))
    with pytest.raises(Rejected, match="A colleague decides"):
        decide(chat, question, grace)
    assert paid == []
    assert Run.objects.get().status == Run.Status.WAITING


def test_a_rule_that_fails_lets_nobody_answer(asked, monkeypatch):
    chat, question = asked(to="tests.actions.test_colleagues.only_the_tall")

    def broken(user, question):
        raise LookupError("the rule's table is gone")

    monkeypatch.setattr("tests.actions.test_colleagues.only_the_tall", broken)
    with pytest.raises(Rejected, match="A colleague decides"):
        decide(chat, question, account("tall teller"))


def test_nothing_that_the_owner_does_is_an_answer(asked, paid):
    chat, question = asked()
    chat.send("yes")
    for value in ({"decision": "approve"}, "yes"):
        with pytest.raises(Rejected, match="A colleague decides"):
            chat.answer(question["request"], value)
    assert Run.objects.get().status == Run.Status.WAITING
    assert [each.request for each in colleagues.open_questions(colleague())] == [question["request"]]
    chat.stop()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    assert paid == []


@pytest.mark.parametrize("what", ["stop", "edit", "retry"])
def test_what_the_owner_cancels_is_shown_to_staff_and_takes_no_answer(asked, paid, scripted_llm, what):
    chat, question = asked()
    grace = colleague()
    first = next(each["messageId"] for each in chat.frames if each.get("role") == "user")
    scripted_llm.replies(say("Never mind."))
    match what:
        case "stop":
            chat.stop()
        case "edit":
            chat.edit(first, "something else")
        case "retry":
            chat.retry(next(each["messageId"] for each in chat.frames if each.get("role") == "assistant"))
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    assert [each.outcome for each in colleagues.closed_questions(grace)] == ["cancelled"]
    with pytest.raises(Rejected) as rejected:
        decide(chat, question, grace)
    assert rejected.value.reason == "already_answered"
    if what != "stop":
        chat.wait_for("RUN_FINISHED", count=1, outcome={"type": "success"})
    assert paid == []


def test_a_branch_that_is_selected_again_asks_again(asked, paid, scripted_llm):
    chat, question = asked()
    grace = colleague()
    scripted_llm.replies(*[say("Never mind.")] * 3)
    chat.edit(next(each["messageId"] for each in chat.frames if each.get("role") == "user"), "something else")
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})
    chat.select_branch(1)
    again = chat.wait_for("INPUT_REQUESTED", count=2)
    assert again["request"] != question["request"]
    [opened] = colleagues.open_questions(grace)
    assert opened.request == again["request"]
    decide(chat, again, grace)
    chat.wait_for("RUN_FINISHED", count=2, outcome={"type": "success"})
    assert paid == [(50, SECRET)]


def test_the_first_answer_wins_and_is_in_the_log_of_admin(asked, paid):
    chat, question = asked()
    grace, linus = colleague("grace"), colleague("linus")
    decide(chat, question, grace, {"decision": "reject", "reason": "Not twice."})
    with pytest.raises(Rejected) as rejected:
        decide(chat, question, linus)
    assert rejected.value.reason == "already_answered"
    chat.wait_for("RUN_FINISHED")
    assert paid == []
    [entry] = LogEntry.objects.all()
    assert (entry.user, entry.object_id) == (grace, str(chat.session.pk))
    assert "pay" in entry.change_message
    assert "reject" in entry.change_message
    assert SECRET not in entry.change_message
    answered = chat.wait_for("INPUT_ANSWERED")
    assert (answered["by"], answered["value"]) == ("grace", {"decision": "reject", "reason": "Not twice."})


def test_a_resumed_function_asks_nobody_again(asked):
    chat, question = asked()
    chat.replayed()
    decide(chat, question, colleague())
    chat.wait_for("RUN_FINISHED")
    chat.replayed()


# --- what may be changed --------------------------------------------------------------------------------------------

CHANGED = {"decision": "approve", "arguments": {"amount": 20, "to": SECRET}}


def test_a_colleague_may_change_what_is_editable(asked, paid, scripted_llm):
    chat, question = asked(editable=["amount"])
    grace = colleague()
    for arguments in ({"amount": 20, "to": "Mallory"}, {"to": "Mallory"}):
        with pytest.raises(Rejected) as rejected:
            decide(chat, question, grace, {"decision": "approve", "arguments": arguments})
        assert list(rejected.value.errors) == ["to"]
    decide(chat, question, grace, {"decision": "approve", "arguments": {"amount": 20}})
    chat.wait_for("RUN_FINISHED")
    assert paid == [(20, SECRET)]
    [told] = [m["content"] for m in scripted_llm.requests[-1]["messages"] if m["role"] == "tool"]
    assert told.startswith("The person changed the arguments")  # the model has to know


@pytest.mark.parametrize("editable", [False, []])
def test_where_nothing_is_editable_no_change_is_taken(asked, paid, editable):
    chat, question = asked(editable=editable)
    with pytest.raises(Rejected, match="can't be changed"):
        decide(chat, question, colleague(), CHANGED)
    assert paid == []


def test_an_approver_who_is_the_owner_changes_nothing(cashier, scripted_llm, agent_chat, paid):
    scripted_llm.replies(call("pay", amount=50, to=SECRET), say("Done."))
    grace = colleague()
    chat = agent_chat(cashier(to=group("support")), user=grace)
    chat.send("pay")
    question = chat.wait_for("INPUT_REQUESTED")
    with pytest.raises(Rejected, match="can't be changed"):
        chat.answer(question["request"], CHANGED)
    chat.answer(question["request"], {"decision": "approve"})
    chat.wait_for("RUN_FINISHED")
    assert paid == [(50, SECRET)]


def test_an_owner_changes_only_what_is_editable_of_their_own_call(cashier, scripted_llm, agent_chat, paid):
    scripted_llm.replies(call("pay", amount=50, to=SECRET), say("Done."))
    chat = agent_chat(cashier(editable=["to"]))
    chat.send("pay")
    question = chat.wait_for("INPUT_REQUESTED")
    with pytest.raises(Rejected, match="can't be changed"):
        chat.answer(question["request"], CHANGED)
    chat.answer(question["request"], {"decision": "approve", "arguments": {"to": "Ada"}})
    chat.wait_for("RUN_FINISHED")
    assert paid == [(50, "Ada")]


# --- when nobody answers --------------------------------------------------------------------------------------------


def test_a_question_is_escalated_without_running_the_function(asked, paid, time_passes, monkeypatch):
    has_escalated = threading.Event()

    def watched():
        if escalate_due():
            has_escalated.set()

    monkeypatch.setattr(supervisor, "CHORES", [watched])
    chat, question = asked(escalate=(timedelta(hours=1), "agentchat.change_chatsession"))
    grace, boss = colleague(), may_pay(account("boss"))
    epoch = Run.objects.get().epoch
    with pytest.raises(Rejected, match="A colleague decides"):
        decide(chat, question, boss)
    time_passes(timedelta(hours=2))
    assert has_escalated.wait(20)
    assert colleagues.open_questions(grace) == []
    with pytest.raises(Rejected, match="A colleague decides"):
        decide(chat, question, grace)
    assert Run.objects.get().epoch == epoch
    decide(chat, question, boss)
    chat.wait_for("RUN_FINISHED")
    assert paid == [(50, SECRET)]


def test_a_question_that_nobody_answers_expires(asked, paid, time_passes):
    chat, question = asked(approval_expires_in=timedelta(hours=1))
    assert question["expiresAt"]
    time_passes(timedelta(hours=2))
    with pytest.raises(Rejected) as rejected:
        decide(chat, question, colleague())
    assert rejected.value.reason in ("expired", "already_answered")  # a moment later
    chat.wait_for("INPUT_ANSWERED", expired=True)
    chat.wait_for("RUN_FINISHED")
    assert paid == []
    assert DelegatedQuestion.objects.get().outcome == "expired"


# --- texts and forms ------------------------------------------------------------------------------------------------


class Terms(BaseModel):
    days: int = Field(ge=1, le=30)


def test_texts_and_forms_are_asked_of_a_colleague_alone(agent_function, agent_chat):
    got = []

    def asks(iostream):
        iostream.input()
        got.append(iostream.input(f"May {SECRET} pay later?", to=group("support")))
        got.append(iostream.ask("Which terms?", Terms, to=group("support"), shown=True).days)
        got.append(iostream.input("And you?"))
        iostream.print("So be it.")

    chat = agent_chat(agent_function(asks))
    grace = colleague()
    chat.send("Hello")
    text = chat.wait_for("INPUT_REQUESTED")
    assert text["colleague"]
    chat.send("no")  # for the owner's own question
    [opened] = colleagues.open_questions(grace)
    assert opened.prompt == f"May {SECRET} pay later?"
    decide(chat, text, grace, "If need be")
    form = chat.wait_for("INPUT_REQUESTED", count=2)
    assert (form["prompt"], form["kind"], "days" in form["schema"]["properties"]) == ("Which terms?", "form", True)
    with pytest.raises(Rejected):
        decide(chat, form, grace, {"days": 31})
    decide(chat, form, grace, {"days": 14})
    chat.wait_for("PRINTED")
    assert got[-1] == "no"
    assert {*got} == {"If need be", 14, "no"}
    frames = shown_to_owner(chat)
    answers = [each for each in frames if each["type"] == "INPUT_ANSWERED"]
    assert [(each["by"], each.get("value")) for each in answers][:2] == [("grace", None), ("grace", {"days": 14})]
    assert not any(role == "If need be" for _, role in chat.said)
    assert SECRET not in json.dumps(frames)
    assert "If need be" not in json.dumps(frames)
    chat.replayed()


def test_a_password_is_asked_of_the_user_alone(agent_function, agent_chat):
    def asks(iostream):
        iostream.input()
        iostream.input("Password?", password=True, to=group("support"))

    chat = agent_chat(agent_function(asks))
    chat.send("Hello")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"


# --- calls whose outcome is unknown ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "asked_of"),
    [
        ({"to": group("support")}, "support"),
        ({"to": agentchat.staff(), "outcome_unknown_to": group("support")}, "support"),
        ({"to": group("support"), "outcome_unknown_to": agentchat.owner()}, "the owner"),
    ],
)
def test_a_colleague_decides_whether_a_call_is_made_again(asked, paid, options, asked_of):
    chat, question = asked(**options)
    grace = colleague(is_staff=True)
    # It was approved, and the process has died with the call.
    run = Run.objects.get()
    number = int(question["request"].split("-")[1])
    common = {"run": run, "started_at": run.started_at}
    digest = DelegatedQuestion.objects.get().question["digest"]
    approved = {"status": "done", "result": {"decision": "approve"}, "done_at": run.started_at, "request_hash": digest}
    Step.objects.create(number=number, kind="input", name="approve pay", **approved, **common)
    Step.objects.create(number=number + 1, kind="tool", name="pay", status="started", **common)
    DelegatedQuestion.objects.update(closed_at=run.started_at, outcome="answered")
    Run.objects.update(status=Run.Status.QUEUED)
    again = chat.wait_for("INPUT_REQUESTED", unsure=True)
    assert paid == []
    if asked_of == "the owner":
        assert "colleague" not in again
        chat.answer(again["request"], {"decision": "approve"})
    else:
        with pytest.raises(Rejected, match="A colleague decides"):
            chat.answer(again["request"], {"decision": "approve"})
        [opened] = colleagues.open_questions(grace)
        assert (opened.request, opened.tool) == (again["request"], "pay")
        assert opened.arguments == {"amount": 50, "to": SECRET}
        decide(chat, again, grace)
    chat.wait_for("RUN_FINISHED")
    assert paid == [(50, SECRET)]


# --- what the owner sees --------------------------------------------------------------------------------------------


def pages_of(chat, user):
    """All that the site tells the owner of a chat."""
    client, frames = signed_in(user), []
    token = sharing.create_link(chat.session).token
    seqs = range(1, ChatSession.objects.get().next_seq)
    addresses = [
        reverse("agentchat:chat", args=[chat.session.pk]),
        reverse("agentchat:embedded_chat", args=[chat.session.pk]),
        reverse("agentchat:events", args=[chat.session.pk]),
        reverse("agentchat:export_markdown", args=[chat.session.pk]),
        reverse("agentchat:export_json", args=[chat.session.pk]),
        reverse("agentchat:my_data_download"),
        reverse("agentchat:shared", args=[token]),
        *(reverse("agentchat:event", args=[chat.session.pk, seq]) for seq in seqs),
        *(reverse("agentchat:event_text", args=[chat.session.pk, seq]) for seq in seqs),
        *(reverse("agentchat:shared_event_text", args=[token, seq]) for seq in seqs),
    ]
    for each in addresses:
        response = client.get(each)
        assert response.status_code in (200, 404), each
        frames.append((response.getvalue() if response.streaming else response.content).decode())
    return frames, json.dumps(shown_to_owner(chat))


@pytest.mark.parametrize("shown", [False, True])
@pytest.mark.parametrize(
    "value", [{"decision": "approve"}, {"decision": "approve", "arguments": {"amount": 7, "to": SECRET}}]
)
def test_the_owner_sees_arguments_nowhere_unless_they_are_shown(cashier, scripted_llm, agent_chat, paid, shown, value):
    scripted_llm.replies(call("pay", amount=50, to=SECRET), say("Done."))
    ada = account("ada")
    chat = agent_chat(cashier(to=group("support"), shown=shown), user=ada)
    chat.send("pay")
    question = chat.wait_for("INPUT_REQUESTED")
    pages, frames = pages_of(chat, ada)
    assert "A colleague decides about this" in pages[0]
    assert (SECRET in frames) == (SECRET in pages[0]) == shown
    assert any(SECRET in page for page in pages) == shown
    decide(chat, question, colleague(), value)
    chat.wait_for("RUN_FINISHED")
    assert paid[0][1] == SECRET
    pages, frames = pages_of(chat, ada)
    assert "grace" in pages[0]
    assert any(SECRET in page for page in [*pages, frames]) == shown


def test_an_agent_that_would_show_the_arguments_is_refused(agent_function, agent_chat, scripted_llm):
    def cashier(iostream):
        agent = ConversableAgent("cashier", llm_config=llm_config())
        person = UserProxyAgent("person", human_input_mode="NEVER")

        def pay(amount: int) -> str:
            """Pay."""
            return "paid"

        agent.register_for_llm()(pay)
        person.register_for_execution(approval=True, to=group("support"))(pay)
        person.initiate_chat(agent, message=iostream.input(), max_turns=2)

    scripted_llm.replies(call("pay", amount=5))
    chat = agent_chat(agent_function(cashier))
    chat.send("pay")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"


def test_tools_of_reply_and_decorated_ones_hide_their_arguments_too(agent_function, agent_chat, scripted_llm):
    def clerk(iostream):
        iostream.input()
        agent = ConversableAgent("clerk", llm_config=llm_config())
        person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=1)

        @person.register_for_execution(approval=True, to=group("support"))
        @agent.register_for_llm(description="Pay", visible="name")
        def pay(to: str) -> str:
            return "paid"

        person.initiate_chat(agent, message="pay", max_turns=2)
        reply(iostream, ConversableAgent("teller", llm_config=llm_config()), tools=[pay])

    scripted_llm.replies(call("pay", to=SECRET), say("Done."), call("pay", to=SECRET), say("Done again."))
    chat = agent_chat(agent_function(clerk))
    grace = colleague()
    chat.send("pay")
    for count in (1, 2):
        question = chat.wait_for("INPUT_REQUESTED", count=count)
        assert colleagues.open_questions(grace)[0].arguments == {"to": SECRET}
        decide(chat, question, grace)
    chat.wait_for("RUN_FINISHED")
    assert SECRET not in json.dumps(shown_to_owner(chat))
