"""Calling an agent function again from its journal: in tests, and before a deployment."""

import re
import warnings

import pytest

import agentchat
from agentchat import ConversableAgent, UserProxyAgent, llm_config, register_function
from agentchat.errors import LostMemoryWarning
from agentchat.models import Event, Run, Step
from agentchat.testing import call, say


def clerk():
    return ConversableAgent("clerk", "", llm_config=llm_config(max_retries=0), human_input_mode="NEVER")


def shop_with(keep, **registration):
    """An agent function whose tool puts articles into a cart, in this way."""

    def shop(iostream):
        cart = iostream.state.setdefault("cart", []) if keep == "state" else []

        def add(article: str) -> str:
            """Put an article into the cart."""
            cart.append(article)
            return "ok"

        agent, desk = clerk(), UserProxyAgent("desk", human_input_mode="NEVER", max_consecutive_auto_reply=1)
        register_function(add, caller=agent, executor=desk, **registration)
        desk.initiate_chat(agent, message=iostream.input(), max_turns=2)
        iostream.print("Now in the cart:", *cart)
        iostream.input("Pay?")
        agentchat.reply(iostream, agent)

    return shop


@pytest.fixture
def bought(agent_function, agent_chat, scripted_llm):
    def buy(function):
        scripted_llm.replies(call("add", article="chair"), say("It is in your cart."), say("Thanks."))
        chat = agent_chat(agent_function(function))
        chat.send("a chair")
        chat.wait_for("INPUT_REQUESTED")
        return chat

    return buy


@pytest.mark.parametrize(("keep", "registration"), [("state", {}), ("variable", {"replay": True})])
def test_a_function_that_keeps_what_it_needs_passes(keep, registration, bought, scripted_llm):
    chat = bought(shop_with(keep, **registration))
    chat.replayed()
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    before = (Event.objects.count(), Step.objects.count(), Run.objects.get().epoch)
    chat.replayed()
    assert (Event.objects.count(), Step.objects.count(), Run.objects.get().epoch) == before
    assert len(scripted_llm.requests) == 3


def test_a_function_that_loses_its_memory_fails(bought):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LostMemoryWarning)
        chat = bought(shop_with("variable"))
    with pytest.raises(
        AssertionError, match=r"it had shown 'Now in the cart: chair\\n', and shows 'Now in the cart:\\n'"
    ):
        chat.replayed()


def test_lost_memory_that_only_the_model_sees_fails_too(agent_function, agent_chat, scripted_llm):
    def secretive(iostream):
        notes = []
        iostream.input()
        iostream.step("note", lambda: notes.append("a note"))
        clerk().generate_reply(messages=[{"role": "user", "content": str(notes)}])

    scripted_llm.replies(say("ok"))
    chat = agent_chat(agent_function(secretive))
    chat.send("hi")
    chat.wait_for("RUN_FINISHED")
    with pytest.raises(AssertionError, match="after step 2: step 3, llm 'clerk', gets another request"):
        chat.replayed()


CHANGES = {
    "another step": (
        lambda iostream: iostream.step("new", int),
        "step 2 of run 1 was step 'old', and is now step 'new'",
    ),
    "a step more": (
        lambda iostream: (iostream.step("old", int), iostream.step("more", int)),
        "it had asked 'Well?', and makes step 'more' now",
    ),
    "a step less": (lambda iostream: None, "step 2 of run 1 was step 'old', and is now input 'input'"),
    "an end": (lambda iostream: exit_early(), "the function ends"),
    "an error": (lambda iostream: fail(), "no such table"),
    "a mistake": (lambda iostream: {}["old"], "the function fails: KeyError('old')"),
}


class Early(Exception):
    pass


def exit_early():
    raise Early


def fail():
    raise agentchat.ConfigError("no such table")


@pytest.mark.parametrize("change", CHANGES)
def test_changed_code_is_found_out_before_it_is_deployed(change, agent_function, agent_chat):
    version = [lambda iostream: iostream.step("old", int)]

    def changing(iostream):
        iostream.input()
        try:
            version[0](iostream)
        except Early:
            return
        iostream.input("Well?")

    chat = agent_chat(agent_function(changing))
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    chat.replayed()
    version[0], words = CHANGES[change]
    with pytest.raises(AssertionError, match=re.escape(words)):
        chat.replayed()


def test_a_question_in_other_words_is_named(agent_function, agent_chat):
    prompts = ["Newsletter?"]

    def asking(iostream):
        iostream.input()
        iostream.input(prompts[0])

    chat = agent_chat(agent_function(asking))
    chat.send("hi")
    chat.wait_for("INPUT_REQUESTED")
    prompts[0] = "Cancel everything?"
    with pytest.raises(AssertionError, match="it had asked 'Newsletter\\?', and asks 'Cancel everything\\?' now"):
        chat.replayed()


def test_branches_approvals_and_parallel_steps_are_replayed(agent_function, agent_chat, scripted_llm):
    def pays(iostream):
        def pay(euros: int) -> str:
            """Pay."""
            return f"paid {euros}"

        agent = clerk()
        agent.register_for_execution(approval=True)(pay)
        iostream.input()
        iostream.print(iostream.gather([lambda: 1, lambda: 2]))
        agentchat.reply(iostream, agent)
        iostream.print("done")

    scripted_llm.replies(call("pay", euros=5), say("Paid."), say("Paid again."))
    chat = agent_chat(agent_function(pays))
    chat.send("hi")
    chat.answer(chat.wait_for("INPUT_REQUESTED")["request"], {"decision": "approve"})
    chat.wait_for("RUN_FINISHED")
    chat.retry(chat.wait_for("TEXT_MESSAGE_END", content="Paid.")["messageId"])
    chat.wait_for("RUN_FINISHED", count=2)
    chat.replayed()


def test_what_cannot_be_called_again_is_said(agent_function, agent_chat):
    chat = agent_chat(agent_function(lambda iostream: iostream.input("Password?", password=True), durable=True))
    chat.send("hi")
    chat.answer(chat.wait_for("INPUT_REQUESTED")["request"], "secret")
    chat.wait_for("RUN_FINISHED")
    with pytest.raises(agentchat.ConfigError, match="has asked for a password"):
        chat.replayed()


def test_a_run_that_has_failed_fails_in_the_same_way(agent_function, agent_chat):
    failure = [ValueError("out of stock")]

    def failing(iostream):
        iostream.input()
        iostream.step("one", int)
        raise failure[0]

    chat = agent_chat(agent_function(failing))
    chat.send("hi")
    chat.wait_for("RUN_ERROR")
    chat.replayed()
    failure[0] = agentchat.ConfigError("another one")
    with pytest.raises(AssertionError, match="another one"):
        chat.replayed()
