"""Questions that wait for days: approvals bound to what they approve, forms, passwords, and expiry."""

import json
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from django.utils import timezone
from pydantic import BaseModel, Field, field_validator

import agentchat
from agentchat import ConversableAgent, UserProxyAgent, llm_config, register_function
from agentchat.actions import messages, validation
from agentchat.core import registry
from agentchat.errors import InputExpired, LeaseLost, Rejected
from agentchat.infra.database import in_transaction
from agentchat.io import IOStream
from agentchat.models import Event, InboxItem, Run, Step
from agentchat.runs.journal import Journal
from agentchat.testing import call, raw, say
from agentchat.visitors import Visitor


@pytest.fixture
def paid():
    """What the tool has really paid."""
    return []


@pytest.fixture
def cashier(agent_function, paid):
    """An agent function whose tool needs approval from 10 on."""

    def cashier(iostream):
        agent = ConversableAgent("cashier", llm_config=llm_config())
        person = UserProxyAgent(
            "person", human_input_mode="NEVER", is_termination_msg=lambda m: "DONE" in (m.get("content") or "")
        )

        def pay(amount: int, to: str, note: str = "") -> str:
            paid.append((amount, to, agentchat.current_call().key))
            return f"paid {amount} to {to}"

        register_function(
            pay, caller=agent, executor=person, description="Pay", approval=lambda arguments: arguments["amount"] >= 10
        )
        person.initiate_chat(agent, message=iostream.input())

    return agent_function(cashier)


@pytest.fixture
def asked(cashier, scripted_llm, agent_chat):
    """A chat in which a payment of 50 waits for approval, and the question."""
    scripted_llm.replies(call("pay", amount=50, to="Ada"), say("DONE"))
    chat = agent_chat(cashier)
    chat.send("pay Ada")
    return chat, chat.wait_for("INPUT_REQUESTED")


def last_tool_message(scripted_llm):
    return [m for m in scripted_llm.requests[-1]["messages"] if m["role"] == "tool"][-1]["content"]


def test_an_approved_call_is_made_with_the_arguments_that_were_shown(asked, paid):
    chat, question = asked
    assert question["kind"] == "approval"
    assert question["toolCallId"] == chat.wait_for("TOOL_CALL_START")["toolCallId"]
    assert set(question["schema"]["properties"]) == {"amount", "to", "note"}
    assert paid == []
    chat.answer(question["request"], {"decision": "approve"})
    chat.wait_for("RUN_FINISHED")
    assert [(amount, to) for amount, to, _ in paid] == [(50, "Ada")]
    answered = chat.wait_for("INPUT_ANSWERED")
    assert (answered["value"], answered["by"]) == ({"decision": "approve"}, "Guest")


def test_a_call_that_is_written_loosely_can_be_approved(cashier, paid, scripted_llm, agent_chat):
    function = {"name": "pay", "arguments": '{"amount": 50.0, "to": "Ada\n\tLovelace", "note": null}'}
    delta = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    chunk = {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]}
    scripted_llm.replies(raw(b"data: %s\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode()), say("DONE"))
    chat = agent_chat(cashier)
    chat.send("pay Ada")
    question = chat.wait_for("INPUT_REQUESTED")
    assert question["initial"] == {"amount": 50, "to": "Ada\n\tLovelace"}
    chat.answer(question["request"], {"decision": "approve"})
    chat.wait_for("RUN_FINISHED")
    assert [(amount, to) for amount, to, _ in paid] == [(50, "Ada\n\tLovelace")]


def wrote(arguments):
    """A model that calls `pay` with arguments of its own spelling."""
    function = {"name": "pay", "arguments": arguments}
    delta = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    chunk = {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]}
    return raw(b"data: %s\n\ndata: [DONE]\n\n" % json.dumps(chunk).encode())


@pytest.mark.parametrize(
    "arguments",
    [
        '{"to": "MALLORY", "amount": NaN}',
        '{"to": "MALLORY", "amount": 1e999}',
        '{"to": "ADA", "amount": 50, "to": "MALLORY"}',
        '{"to": "MALLORY", "amount": 50, "note": "\\u0000"}',
        '{"to": "MALLORY", "amount": 50, "note": ' + "[" * 960 + "]" * 960 + "}",
    ],
)
def test_a_call_that_cannot_be_shown_is_an_error_for_the_model_and_nobody_is_asked(
    cashier, paid, scripted_llm, agent_chat, arguments
):
    scripted_llm.replies(wrote(arguments), say("DONE"))
    chat = agent_chat(cashier)
    chat.send("pay")
    chat.wait_for("RUN_FINISHED")
    assert last_tool_message(scripted_llm).startswith("Error: ")
    assert not [f for f in chat.frames if f["type"] == "INPUT_REQUESTED"]
    assert paid == []


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('\u00a0{"amount": 50, "to": "Ada"}\x0b', {"amount": 50, "to": "Ada"}),
        ('{"amount": 12345678901234567890, "to": "Ada"}', {"amount": 12345678901234567890, "to": "Ada"}),
        ('{"amount": 50, "to": "\\u202e54321ED\\u202c"}', {"amount": 50, "to": "\u202e54321ED\u202c"}),
    ],
)
def test_what_was_shown_is_what_is_done_to_the_digit_and_the_character(
    cashier, paid, scripted_llm, agent_chat, arguments, shown
):
    scripted_llm.replies(wrote(arguments), say("DONE"))
    chat = agent_chat(cashier)
    chat.send("pay")
    question = chat.wait_for("INPUT_REQUESTED")
    assert question["initial"] == shown
    chat.answer(question["request"], {"decision": "approve", "arguments": {**shown, "note": "seen"}})
    chat.wait_for("RUN_FINISHED")
    assert [(amount, to) for amount, to, _ in paid] == [(shown["amount"], shown["to"])]
    assert Event.objects.get(type="INPUT_ANSWERED").payload["value"]["arguments"] == {**shown, "note": "seen"}


def test_the_tool_is_called_with_edited_arguments_and_the_model_reads_them(asked, paid, scripted_llm):
    chat, question = asked
    chat.answer(question["request"], {"decision": "approve", "arguments": {"amount": 20, "to": "Ada"}})
    chat.wait_for("RUN_FINISHED")
    assert [(amount, to) for amount, to, _ in paid] == [(20, "Ada")]
    assert "changed the arguments" in last_tool_message(scripted_llm)


def test_a_rejected_call_is_not_made_and_the_model_reads_why(asked, paid, scripted_llm):
    chat, question = asked
    chat.answer(question["request"], {"decision": "reject", "reason": "too much"})
    chat.wait_for("RUN_FINISHED")
    assert paid == []
    assert "too much" in last_tool_message(scripted_llm)
    assert chat.wait_for("TOOL_CALL_RESULT")["ok"] is False


@pytest.mark.parametrize(
    "value",
    [
        "approve",
        {"decision": "maybe"},
        {"decision": "approve", "more": 1},
        {"decision": "approve", "arguments": {"amount": "a lot", "to": "Ada"}},
        {"decision": "approve", "arguments": {"amount": 20}},
        {"decision": "approve", "arguments": {"amount": 20, "to": "Ada", "twice": True}},
        {"decision": "reject", "arguments": {"amount": 1, "to": "Ada"}},
        None,
        [],
    ],
)
def test_an_answer_that_does_not_fit_changes_nothing(asked, paid, value):
    chat, question = asked
    with pytest.raises(Rejected) as rejected:
        chat.answer(question["request"], value)
    assert rejected.value.reason == "invalid"
    assert Run.objects.get().status == Run.Status.WAITING
    assert InboxItem.objects.count() == 1
    assert paid == []


def test_a_call_below_the_limit_needs_no_approval(cashier, paid, scripted_llm, agent_chat):
    scripted_llm.replies(call("pay", amount=5, to="Ada"), say("DONE"))
    chat = agent_chat(cashier)
    chat.send("pay Ada")
    chat.wait_for("RUN_FINISHED")
    assert len(paid) == 1
    assert not [f for f in chat.frames if f["type"] == "INPUT_REQUESTED"]


def test_a_message_is_no_approval(asked, paid):
    chat, question = asked
    chat.send("yes, do it")
    assert Run.objects.get().status == Run.Status.WAITING
    assert paid == []
    chat.answer(question["request"], {"decision": "approve"})
    chat.wait_for("RUN_FINISHED")


def test_an_approval_is_for_these_arguments_only(asked, paid):
    """What the model asked for is in the journal; it is edited there, or a newer version reads it differently."""
    chat, question = asked
    step = Step.objects.get(kind="llm")
    step.result["tool_calls"][0]["function"]["arguments"] = '{"amount": 5000, "to": "Eve"}'
    step.save()
    chat.answer(question["request"], {"decision": "approve"})
    assert chat.wait_for("RUN_ERROR")["code"] == "diverged"
    assert paid == []


def test_a_tool_knows_the_key_of_its_call(asked, paid):
    chat, question = asked
    chat.answer(question["request"], {"decision": "approve"})
    chat.wait_for("RUN_FINISHED")
    assert paid[0][2] == f"{chat.session.pk}-1-4"


class Address(BaseModel):
    name: str = Field(min_length=2, description="Who gets it")
    email: str
    parcels: int = Field(default=1, ge=1, le=9)
    speed: Literal["slow", "fast"] = "slow"

    @field_validator("email")
    @classmethod
    def must_be_ours(cls, value):
        if not value.endswith("@example.com"):
            raise ValueError("we deliver to example.com only")
        return value


@pytest.fixture
def form(agent_function, agent_chat):
    filled = []

    def ask(iostream):
        iostream.input()
        filled.append(iostream.ask("Where to?", Address))
        iostream.print(f"to {filled[-1].name}")

    chat = agent_chat(agent_function(ask))
    chat.send("send it")
    return chat, chat.wait_for("INPUT_REQUESTED"), filled


def test_a_form_comes_back_as_an_instance(form):
    chat, question, filled = form
    assert question["kind"] == "form"
    assert question["schema"]["properties"]["name"]["description"] == "Who gets it"
    chat.answer(question["request"], {"name": "Ada", "email": "ada@example.com"})
    chat.wait_for("PRINTED", text="to Ada\n")
    assert filled == [Address(name="Ada", email="ada@example.com", parcels=1, speed="slow")]


def test_a_form_that_does_not_fit_is_rejected_field_by_field(form):
    chat, question, _ = form
    with pytest.raises(Rejected) as rejected:
        chat.answer(question["request"], {"name": "A", "parcels": 12, "speed": "warp"})
    assert rejected.value.reason == "invalid"
    assert set(rejected.value.errors) == {"name", "email", "parcels", "speed"}


def test_a_wrong_format_is_reported_in_plain_language(agent_function, agent_chat):
    class Invitation(BaseModel):
        email: str = Field(json_schema_extra={"format": "email"})

    chat = agent_chat(agent_function(lambda iostream: (iostream.input(), iostream.ask("Whom?", Invitation))))
    chat.send("invite")
    question = chat.wait_for("INPUT_REQUESTED")
    with pytest.raises(Rejected) as rejected:
        chat.answer(question["request"], {"email": "nobody"})
    assert rejected.value.errors == {"email": "This doesn't match the required format."}


def test_a_form_that_only_the_pydantic_model_rejects_is_asked_again_with_its_values(form):
    chat, question, filled = form
    chat.answer(question["request"], {"name": "Ada", "email": "ada@elsewhere.org"})
    again = chat.wait_for("INPUT_REQUESTED", count=2)
    assert "example.com only" in again["prompt"]
    assert again["initial"] == {"name": "Ada", "email": "ada@elsewhere.org"}
    assert again["request"] != question["request"]
    chat.answer(again["request"], {"name": "Ada", "email": "ada@example.com"})
    chat.wait_for("RUN_FINISHED")
    assert len(filled) == 1


class Account(BaseModel):
    code: str = Field(pattern="^(a+)+$")
    tags: list[str] = []


@pytest.fixture
def account(agent_function, agent_chat):
    """A chat that asks for an account, and the question."""

    def desk(iostream):
        iostream.input()
        iostream.print(iostream.ask("Which account?", Account).code)

    chat = agent_chat(agent_function(desk))
    chat.send("hello")
    return chat, chat.wait_for("INPUT_REQUESTED")


@pytest.mark.parametrize(
    "value",
    [
        {"code": "a" * 28 + "!"},
        {"code": "a", "N" * 32_000: {f"k{n}": n for n in range(3_200)}},
        {"code": "a", "tags": ["x"] * 100_000},
        {"code": float("nan")},
    ],
)
def test_a_hostile_answer_is_rejected_and_another_one_is_taken(account, value):
    chat, question = account
    with pytest.raises(Rejected) as rejected:
        chat.answer(question["request"], value)
    assert rejected.value.reason == "invalid"
    assert len(str(rejected.value.errors)) < 1_000
    chat.answer(question["request"], {"code": "aaa"})
    assert chat.wait_for("PRINTED")["text"] == "aaa\n"


def test_nobody_waits_for_the_check_of_an_answer(account, monkeypatch):
    chat, question = account
    checked = []
    check = validation.check_schema

    def watched(*args, **kwargs):
        checked.append(in_transaction())
        return check(*args, **kwargs)

    monkeypatch.setattr(validation, "check_schema", watched)
    chat.answer(question["request"], {"code": "a"})
    assert checked == [False]


def test_an_answer_that_is_sent_again_counts_once(account):
    chat, question = account
    client_id = uuid.uuid4()
    for _ in range(2):
        messages.answer(
            chat.session.pk, chat.visitor, client_id=client_id, request=question["request"], value={"code": "a"}
        )
    chat.wait_for("RUN_FINISHED")
    with pytest.raises(Rejected) as rejected:
        chat.answer(question["request"], {"code": "a"})
    assert rejected.value.reason == "already_answered"


def test_a_stranger_learns_nothing_of_a_question(account):
    chat, question = account
    stranger = Visitor(guest_key="stranger")
    with pytest.raises(Rejected) as rejected:
        messages.answer(chat.session.pk, stranger, client_id=uuid.uuid4(), request=question["request"], value={})
    assert rejected.value.reason == "not_found"


def test_a_run_goes_on_without_an_answer_when_its_question_expires(agent_function, agent_chat, time_passes):
    caught = []

    def hurry(iostream):
        iostream.input()
        try:
            iostream.ask("Quick!", Address, expires_at=datetime.now(UTC) + timedelta(hours=1))
        except InputExpired as error:
            caught.append(error)
            iostream.print("too late")

    chat = agent_chat(agent_function(hurry))
    chat.send("go")
    question = chat.wait_for("INPUT_REQUESTED")
    assert question["expiresAt"]
    time_passes(timedelta(hours=2))
    assert chat.wait_for("INPUT_ANSWERED")["expired"] is True
    chat.wait_for("PRINTED", text="too late\n")
    with pytest.raises(Rejected) as rejected:
        chat.answer(question["request"], {"name": "Ada", "email": "ada@example.com"})
    assert rejected.value.reason in ("expired", "already_answered")


def test_a_password_is_never_shown_and_is_erased_at_the_end(agent_function, agent_chat):
    got, go_on = [], threading.Event()

    def login(iostream):
        iostream.input()
        got.append(iostream.input("Password?", password=True))
        iostream.step("hold", lambda: go_on.wait(20))

    chat = agent_chat(agent_function(login))
    chat.send("log in")
    question = chat.wait_for("INPUT_REQUESTED")
    assert question["password"] is True
    chat.answer(question["request"], "hunter2")
    chat.wait_for("INPUT_ANSWERED")
    stored = [str(item.value) for item in InboxItem.objects.all()] + [str(s.result) for s in Step.objects.all()]
    stored += [str(event.payload) for event in Event.objects.all()]
    assert not [value for value in stored if "hunter2" in value]
    go_on.set()
    chat.wait_for("RUN_FINISHED")
    assert got == ["hunter2"]
    assert "hunter2" not in str(chat.frames)
    assert InboxItem.objects.order_by("id").last().value == {"erased": True}
    assert Step.objects.get(name="password").result == {"erased": True}


def test_a_password_is_not_taken_from_the_composer(agent_function, agent_chat):
    def login(iostream):
        iostream.input()
        iostream.input("Password?", password=True)

    chat = agent_chat(agent_function(login))
    chat.send("log in")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("hunter2 in the wrong place")
    assert Run.objects.get().status == Run.Status.WAITING


def test_at_a_limit_the_user_is_asked_and_at_most_one_call_exceeds_it(agent_function, agent_chat, settings):
    settings.AGENTCHAT = {"MAX_STEPS": 3}
    made = []

    def busy(iostream):
        iostream.input()
        for n in range(10):
            made.append(iostream.step(f"number {n}", lambda n=n: n))
        iostream.print("done")

    chat = agent_chat(agent_function(busy))
    chat.send("work")
    question = chat.wait_for("INPUT_REQUESTED")
    assert (question["code"], question["params"]) == ("limit_steps", {"used": 3})
    assert made == [0, 1, 2]
    chat.answer(question["request"], {"decision": "approve"})
    again = chat.wait_for("INPUT_REQUESTED", count=2)
    assert Step.objects.filter(kind="step").count() == 6
    chat.answer(again["request"], {"decision": "reject"})
    assert chat.wait_for("RUN_ERROR")["code"] == "cap_reached"
    assert Step.objects.filter(kind="step").count() == 6


def test_tokens_are_limited_too(cashier, scripted_llm, agent_chat, settings):
    settings.AGENTCHAT = {"MAX_RUN_TOKENS": 1}
    scripted_llm.replies(call("pay", amount=1, to="Ada"))
    chat = agent_chat(cashier)
    chat.send("pay Ada")
    assert "Tokens" in chat.wait_for("INPUT_REQUESTED")["prompt"]
    assert len(scripted_llm.requests) == 1


def test_a_model_without_a_price_reaches_the_limit_on_cost_and_a_resumed_run_goes_on_counting(
    agent_function, scripted_llm, agent_chat, settings
):
    settings.AGENTCHAT = {"MAX_RUN_COST": 0.5, "FALLBACK_PRICE": [10, 10]}  # dollars for 1,000 tokens

    def talker(iostream):
        agent = ConversableAgent("agent", llm_config=llm_config())
        for _ in range(4):
            agent.generate_reply(messages=[{"role": "user", "content": iostream.input()}])

    scripted_llm.always(say("Hm.", usage=(30, 10)))  # 0.40 dollars
    chat = agent_chat(agent_function(talker))
    chat.send("one")
    chat.wait_for("USAGE")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("two")
    chat.wait_for("USAGE", count=2)
    chat.wait_for("INPUT_REQUESTED", count=2)
    chat.send("three")
    question = chat.wait_for("INPUT_REQUESTED", count=3)
    assert (question["code"], question["params"]["used"]) == ("limit_cost", pytest.approx(0.8))
    assert len(scripted_llm.requests) == 2
    assert Run.objects.get().cost in (None, 0)  # an estimate is no cost


@pytest.mark.parametrize(("price", "asked"), [(None, True), ([0, 0], False)], ids=["no price", "free"])
def test_what_is_free_does_not_count_in_the_limit_on_cost(
    agent_function, scripted_llm, agent_chat, settings, price, asked
):
    settings.AGENTCHAT = {"MAX_RUN_COST": 0.01, "FALLBACK_PRICE": [10, 10]}

    def talker(iostream):
        message = iostream.input()
        agent = ConversableAgent("agent", llm_config=llm_config(price=price))
        for _ in range(2):
            agent.generate_reply(messages=[{"role": "user", "content": message}])
        iostream.input("more?")

    scripted_llm.always(say("Hm.", usage=(30, 10)))
    chat = agent_chat(agent_function(talker))
    chat.send("go")
    assert (chat.wait_for("INPUT_REQUESTED").get("code") == "limit_cost") is asked


def test_several_calls_of_one_reply_are_made_at_the_same_time(agent_function, scripted_llm, agent_chat):
    meeting = threading.Barrier(3, timeout=20)

    def parallel(iostream):
        agent = ConversableAgent("agent", llm_config=llm_config())
        person = UserProxyAgent(
            "person", human_input_mode="NEVER", is_termination_msg=lambda m: "DONE" in (m.get("content") or "")
        )

        def meet(name: str) -> str:
            meeting.wait()
            return f"{name} was there"

        register_function(meet, caller=agent, executor=person, description="Meet the others")
        person.initiate_chat(agent, message=iostream.input())

    scripted_llm.replies(
        call("meet", name="a").and_call("meet", name="b").and_call("meet", name="c"),
        say("DONE"),
    )
    chat = agent_chat(agent_function(parallel))
    chat.send("meet")
    chat.wait_for("RUN_FINISHED")
    tools = [m["content"] for m in scripted_llm.requests[-1]["messages"] if m["role"] == "tool"]
    assert tools == ["a was there", "b was there", "c was there"]
    assert [s.number for s in Step.objects.filter(kind="tool").order_by("number")] == [3, 4, 5]


def test_the_user_cannot_be_asked_inside_a_tool(agent_function, scripted_llm, agent_chat):
    def nosy(iostream):
        agent = ConversableAgent("agent", llm_config=llm_config())
        person = UserProxyAgent(
            "person", human_input_mode="NEVER", is_termination_msg=lambda m: "DONE" in (m.get("content") or "")
        )

        def ask() -> str:
            return iostream.input("inside")

        register_function(ask, caller=agent, executor=person, description="Ask")
        person.initiate_chat(agent, message=iostream.input())

    scripted_llm.replies(call("ask"), say("DONE"))
    chat = agent_chat(agent_function(nosy))
    chat.send("go")
    result = chat.wait_for("TOOL_CALL_RESULT")
    assert result["ok"] is False
    assert "approval=True" in result["content"]


def test_a_function_that_is_not_durable_blocks_its_thread_and_is_never_called_again(agent_chat):
    lives = []

    @registry.on_connect("once", durable=False)
    def once(iostream):
        lives.append(1)
        name = iostream.input()
        colour = iostream.input("Colour?")
        iostream.print(f"{name} likes {colour}")

    try:
        chat = agent_chat("once")
        chat.send("Ada")
        chat.wait_for("INPUT_REQUESTED")
        assert Run.objects.get().status == Run.Status.WAITING
        chat.send("red")
        chat.wait_for("PRINTED", text="Ada likes red\n")
        chat.wait_for("RUN_FINISHED")
        assert lives == [1]
        chat.send("Bob")
        chat.wait_for("INPUT_REQUESTED", count=2)
        assert chat.stop()
        chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    finally:
        registry.unregister("once")


def test_a_function_that_is_not_durable_ends_as_interrupted_when_its_process_has_gone(agent_chat):
    @registry.on_connect("once", durable=False)
    def once(iostream):
        iostream.print("must not be called again")

    try:
        chat = agent_chat("once")
        long_ago = timezone.now() - timedelta(hours=1)
        Run.objects.create(
            session=chat.session,
            number=1,
            agent="once",
            status="waiting",
            epoch=1,
            owner_process="gone",
            lease_until=long_ago,
        )
        assert chat.wait_for("RUN_ERROR")["code"] == "interrupted"
        assert Run.objects.get().status == Run.Status.INTERRUPTED
        assert not [f for f in chat.frames if f["type"] == "PRINTED"]
    finally:
        registry.unregister("once")


def test_a_function_that_is_not_durable_waits_for_a_limited_time(agent_chat, settings):
    settings.AGENTCHAT = {"WAIT_S": 1}

    @registry.on_connect("once", durable=False)
    def once(iostream):
        iostream.input()
        with pytest.raises(InputExpired):
            iostream.input("Anybody?")
        iostream.print("nobody")

    try:
        chat = agent_chat("once")
        chat.send("hello")
        assert chat.wait_for("INPUT_REQUESTED")["expiresAt"]
        chat.wait_for("PRINTED", text="nobody\n")
        assert chat.wait_for("INPUT_ANSWERED")["expired"] is True
        chat.wait_for("RUN_FINISHED")
    finally:
        registry.unregister("once")


def test_several_calls_at_once_do_not_bypass_the_limit(agent_function, scripted_llm, agent_chat, settings):
    settings.AGENTCHAT = {"MAX_STEPS": 3}
    made = []

    def many(iostream):
        agent = ConversableAgent("agent", llm_config=llm_config())
        person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=1)

        def work(n: int) -> str:
            made.append(n)
            return "done"

        register_function(work, caller=agent, executor=person, description="Work")
        person.initiate_chat(agent, message=iostream.input())

    scripted_llm.replies(call("work", n=1).and_call("work", n=2).and_call("work", n=3))
    chat = agent_chat(agent_function(many))
    chat.send("go")
    question = chat.wait_for("INPUT_REQUESTED")
    assert made == []
    chat.answer(question["request"], {"decision": "reject"})
    assert chat.wait_for("RUN_ERROR")["code"] == "cap_reached"
    assert made == []


def test_a_run_is_stopped_while_a_tool_runs_and_the_result_is_kept(agent_function, scripted_llm, agent_chat):
    started, go_on = threading.Event(), threading.Event()

    def slow(iostream):
        agent = ConversableAgent("agent", llm_config=llm_config())
        person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=3)

        def work() -> str:
            started.set()
            go_on.wait(20)
            return "worked"

        register_function(work, caller=agent, executor=person, description="Work")
        person.initiate_chat(agent, message=iostream.input())

    scripted_llm.replies(call("work"))
    chat = agent_chat(agent_function(slow))
    chat.send("go")
    assert started.wait(20)
    assert chat.stop()
    go_on.set()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    assert chat.wait_for("TOOL_CALL_RESULT")["content"] == "worked"
    assert len(scripted_llm.requests) == 1


def test_a_queued_run_is_stopped_before_it_begins(agent_function, agent_chat, settings):
    settings.AGENTCHAT = {"MAX_RUNS": 1}
    go_on, began = threading.Event(), []

    def hold(iostream):
        began.append(iostream.input())
        iostream.step("hold", lambda: go_on.wait(20))

    name = agent_function(hold)
    first, second = agent_chat(name), agent_chat(name)
    first.send("first")
    first.wait_for("TEXT_MESSAGE_END")
    second.send("second")
    second.wait_for("QUEUED")
    assert second.stop()
    second.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    go_on.set()
    first.wait_for("RUN_FINISHED")
    assert began == ["first"]


# --- a tool that was about to be called -----------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [1, 2])
def test_a_run_that_is_handed_off_before_its_tool_is_called_asks_nobody_and_calls_it_once(
    calls, agent_function, agent_chat, scripted_llm, monkeypatch
):
    """The record that a tool is called comes before the call: between the two nothing has taken effect."""
    paid, begun, begin = [], [], Journal.begin

    def pay(euros: int) -> str:
        """Pay."""
        paid.append(euros)
        return "paid"

    def cashier(iostream):
        clerk = ConversableAgent("clerk", llm_config=llm_config(), human_input_mode="NEVER")
        desk = UserProxyAgent("desk", human_input_mode="NEVER", max_consecutive_auto_reply=1)
        register_function(pay, caller=clerk, executor=desk)
        desk.initiate_chat(clerk, message=iostream.input(), max_turns=2)

    def begin_and_lose(self, *args):
        begin(self, *args)
        begun.append(1)
        if len(begun) == calls:
            IOStream.get_default().bridge.reason = LeaseLost

    monkeypatch.setattr(Journal, "begin", begin_and_lose)
    scripted = call("pay", euros=1)
    for number in range(1, calls):
        scripted = scripted.and_call("pay", euros=number + 1)
    scripted_llm.replies(scripted, say("Done."))
    chat = agent_chat(agent_function(cashier))
    chat.send("pay")
    chat.wait_for("RUN_FINISHED")
    assert sorted(paid) == list(range(1, calls + 1))
    assert len(begun) == 2 * calls
    assert not [frame for frame in chat.frames if frame["type"] == "INPUT_REQUESTED"]
