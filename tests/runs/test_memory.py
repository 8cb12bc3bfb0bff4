"""What tools put into an agent function's variables, and what is left of it after a wait."""

from decimal import Decimal

import pytest

from agentchat import ConversableAgent, UserProxyAgent, llm_config, register_function
from agentchat.errors import LostMemoryWarning
from agentchat.models import Step
from agentchat.testing import call, say
from agentchat.tools.memory import MemoryWatch


def printed(chat):
    return [frame["text"].strip() for frame in chat.frames if frame["type"] == "PRINTED"]


def results(chat):
    return [frame["content"] for frame in chat.frames if frame["type"] == "TOOL_CALL_RESULT"]


@pytest.fixture
def shop(agent_function, agent_chat):
    """A chat with a shop whose cart is a variable: `shop(tool, **registration)`; `tool(cart, article, iostream)`."""

    def make(tool, **registration):
        def shop(iostream):
            cart = []

            def add(article: str) -> str:
                """Put an article into the cart."""
                return tool(cart, article, iostream)

            clerk = ConversableAgent("clerk", "", llm_config=llm_config(), human_input_mode="NEVER")
            desk = UserProxyAgent("desk", human_input_mode="NEVER", max_consecutive_auto_reply=1)
            register_function(add, caller=clerk, executor=desk, **registration)
            desk.initiate_chat(clerk, message=iostream.input(), max_turns=2)
            iostream.input("Pay?")
            iostream.print(cart)

        return agent_chat(agent_function(shop))

    return make


def put(cart, article, iostream):
    cart.append(article)
    return f"{len(cart)} in the cart"


def test_a_tool_that_is_memory_is_called_again(shop, scripted_llm):
    scripted_llm.replies(call("add", article="chair").and_call("add", article="lamp"), say("They are in your cart."))
    chat = shop(put, replay=True)
    chat.send("a chair and a lamp")
    chat.wait_for("INPUT_REQUESTED")
    first = results(chat)
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    assert printed(chat) == ["['chair', 'lamp']"]
    assert results(chat) == first
    assert len(scripted_llm.requests) == 2


def test_it_is_called_with_what_the_user_has_approved(shop, scripted_llm):
    scripted_llm.replies(
        call("add", article="chair").and_call("add", article="throne").and_call("add", article="bomb"), say("Done.")
    )
    chat = shop(put, replay=True, approval=True)
    chat.send("furniture")
    for number, decision in enumerate(
        [{"decision": "approve"}, {"decision": "approve", "arguments": {"article": "stool"}}, {"decision": "reject"}], 1
    ):
        chat.answer(chat.wait_for("INPUT_REQUESTED", count=number)["request"], decision)
    chat.wait_for("INPUT_REQUESTED", prompt="Pay?")
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    assert printed(chat) == ["['chair', 'stool']"]


def test_what_it_shows_is_not_shown_again_and_its_failures_stay_what_they_were(shop, scripted_llm):
    def odd(cart, article, iostream):
        iostream.print(f"adding {article}")
        cart.append(article)
        raise ValueError("sold out")

    scripted_llm.replies(call("add", article="chair"), say("Sorry."))
    chat = shop(odd, replay=True)
    chat.send("a chair")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    assert printed(chat) == ["adding chair", "['chair']"]
    assert results(chat) == ["Error: sold out"]


def test_it_may_make_no_steps_of_its_own(shop, scripted_llm):
    scripted_llm.replies(call("add", article="chair"), say("Sorry."))
    chat = shop(lambda cart, article, iostream: iostream.step("look", lambda: "x"), replay=True)
    chat.send("a chair")
    chat.wait_for("INPUT_REQUESTED")
    assert "registered with replay=True" in results(chat)[0]
    assert [step.kind for step in Step.objects.order_by("number")] == ["input", "llm", "tool", "llm"]


def test_a_variable_that_a_recorded_tool_changes_is_named_with_both_remedies(shop, scripted_llm):
    scripted_llm.replies(call("add", article="chair"), say("It is in your cart."))
    chat = shop(put)
    chat.send("a chair")
    with pytest.warns(LostMemoryWarning, match=r"'add' has changed cart,.*iostream\.state.*replay=True"):
        chat.wait_for("INPUT_REQUESTED")


def test_on_a_developers_page_the_warning_is_shown_once(shop, scripted_llm, settings):
    settings.DEBUG = True
    scripted_llm.replies(call("add", article="chair"), say("It is in your cart."))
    chat = shop(put)
    chat.send("a chair")
    with pytest.warns(LostMemoryWarning):
        chat.wait_for("INPUT_REQUESTED")
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    assert [text.partition(":")[0] for text in printed(chat)] == ["Only while DEBUG is set", "[]"]


def test_the_cart_in_the_state_is_not_lost(shop, scripted_llm):
    def keep(cart, article, iostream):
        iostream.state.setdefault("cart", []).append(article)
        return "ok"

    scripted_llm.replies(call("add", article="chair"), say("It is in your cart."))
    chat = shop(keep)
    chat.send("a chair")
    chat.wait_for("INPUT_REQUESTED")
    assert Step.objects.get(kind="tool").state["set"] == {"cart": ["chair"]}


def test_a_state_that_contains_itself_can_be_looked_at():
    knot = {}
    knot["me"] = [knot]
    assert MemoryWatch(lambda iostream: None, kept=lambda: knot).changes(lambda: knot)() == []


def test_a_new_object_at_the_place_of_the_old_one_is_a_change():
    total = Decimal(1)

    def add(number):
        nonlocal total
        total += number  # the old one is gone: the next one may have its id
        total += number

    changed = MemoryWatch(lambda iostream: None, kept=dict).changes(add)
    add(Decimal(5))
    assert changed() == ["total"]
