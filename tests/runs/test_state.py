"""`iostream.state`: what an agent function keeps across waits, runs and branches."""

import threading

import pytest

from agentchat import ConversableAgent, UserProxyAgent, llm_config, register_function
from agentchat.models import Run, Step
from agentchat.runs.state import RunState
from agentchat.testing import RecordingStream, call, say


def printed(chat):
    return [frame["text"].strip() for frame in chat.frames if frame["type"] == "PRINTED"]


def shop(iostream):
    """A tool fills a cart that the function holds on to."""
    cart = iostream.state.setdefault("cart", [])

    def add(article: str) -> str:
        """Put an article into the cart."""
        cart.append(article)
        iostream.state["last"] = article
        return f"{len(cart)} in the cart"

    clerk = ConversableAgent("clerk", "", llm_config=llm_config(), human_input_mode="NEVER")
    desk = UserProxyAgent("desk", human_input_mode="NEVER", max_consecutive_auto_reply=1)
    register_function(add, caller=clerk, executor=desk)
    desk.initiate_chat(clerk, message=iostream.input(), max_turns=2)
    iostream.input("Pay?")
    iostream.print(cart, iostream.state["last"])


def test_what_a_tool_puts_into_the_state_is_there_after_a_question(agent_function, agent_chat, scripted_llm):
    scripted_llm.replies(call("add", article="chair"), say("It is in your cart."))
    chat = agent_chat(agent_function(shop))
    chat.send("a chair")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    assert printed(chat) == ["['chair'] chair"]
    assert Run.objects.get().state == {"cart": ["chair"], "last": "chair"}


def test_tools_that_run_at_the_same_time_leave_the_same_state_behind(agent_function, agent_chat, scripted_llm):
    scripted_llm.replies(
        call("add", article="chair").and_call("add", article="table").and_call("add", article="lamp"), say("Done.")
    )
    chat = agent_chat(agent_function(shop))
    chat.send("furniture")
    chat.wait_for("INPUT_REQUESTED")
    before = [change for change in Step.objects.filter(state__isnull=False).values_list("state", flat=True)]
    last = max(before, key=lambda change: change["order"])["set"]
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    assert sorted(last["cart"]) == ["chair", "lamp", "table"]
    assert printed(chat) == [f"{last['cart']} {Run.objects.get().state['last']}"]


def counter(iostream):
    iostream.input()
    iostream.state["runs"] = iostream.state.get("runs", 0) + 1
    iostream.step("inside", lambda: iostream.state.update(inside=iostream.state["runs"] * 10))
    iostream.state["after"] = iostream.state["inside"] + 1
    if iostream.input("More?") == "fail":
        raise RuntimeError("as it was told")
    iostream.print(sorted(iostream.state.items()))


def test_the_next_run_begins_with_what_the_last_one_has_left(agent_function, agent_chat):
    chat = agent_chat(agent_function(counter))
    for number in (1, 2):
        chat.send("go")
        chat.wait_for("INPUT_REQUESTED", count=number)
        chat.send("no")
        chat.wait_for("RUN_FINISHED", count=number)
    assert printed(chat) == [
        "[('after', 11), ('inside', 10), ('runs', 1)]",
        "[('after', 21), ('inside', 20), ('runs', 2)]",
    ]


def test_a_run_that_failed_or_was_stopped_leaves_what_it_has_recorded(agent_function, agent_chat):
    chat = agent_chat(agent_function(counter))
    chat.send("go")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("fail")
    chat.wait_for("RUN_ERROR")
    chat.send("go")
    chat.wait_for("INPUT_REQUESTED", count=2)
    chat.stop()
    chat.wait_for("RUN_FINISHED")
    chat.send("go")
    chat.wait_for("INPUT_REQUESTED", count=3)
    chat.send("no")
    chat.wait_for("RUN_FINISHED", count=2)
    assert printed(chat) == ["[('after', 31), ('inside', 30), ('runs', 3)]"]


def test_an_edit_goes_back_to_the_state_of_that_point(agent_function, agent_chat):
    chat = agent_chat(agent_function(counter))
    for number in (1, 2):
        chat.send(f"go {number}")
        chat.wait_for("INPUT_REQUESTED", count=number)
        chat.send(f"no {number}")
        chat.wait_for("RUN_FINISHED", count=number)
    ids = {frame["content"]: frame["messageId"] for frame in chat.frames if frame["type"] == "TEXT_MESSAGE_END"}
    chat.edit(ids["no 1"], "not yet")
    chat.wait_for("RUN_FINISHED", count=3)
    chat.send("go on")
    chat.wait_for("INPUT_REQUESTED", count=3)
    chat.send("no 3")
    chat.wait_for("RUN_FINISHED", count=4)
    assert printed(chat)[2:] == [
        "[('after', 11), ('inside', 10), ('runs', 1)]",
        "[('after', 21), ('inside', 20), ('runs', 2)]",
    ]
    chat.select_branch(2)
    chat.send("the older branch")
    chat.wait_for("INPUT_REQUESTED", count=4)
    chat.send("no 4")
    chat.wait_for("RUN_FINISHED", count=5)
    assert printed(chat)[4:] == ["[('after', 31), ('inside', 30), ('runs', 3)]"]


def test_entries_can_be_deleted(agent_function, agent_chat):
    def deletes(iostream):
        iostream.input()
        iostream.state |= {"a": {"x": 1, "y": [1, 2]}, "b": 2}
        held = iostream.state["a"]
        iostream.step("delete", lambda: [iostream.state.pop("b"), held.pop("x"), held["y"].pop(0)])
        iostream.input("More?")
        iostream.print(held, iostream.state)

    chat = agent_chat(agent_function(deletes))
    chat.send("go")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("yes")
    chat.wait_for("RUN_FINISHED")
    assert printed(chat) == ["{'y': [2]} {'a': {'y': [2]}}"]


@pytest.mark.parametrize("where", ["in a step", "between steps", "at the end"])
def test_what_cannot_be_kept_ends_the_run_and_no_step_is_lost(where, agent_function, agent_chat, caplog):
    def keeps(iostream):
        iostream.input()
        iostream.state["fine"] = 1
        if where == "in a step":
            iostream.step("keep", lambda: iostream.state.update(bad={1, 2}))
        iostream.state["bad"] = {1, 2}
        if where == "between steps":
            iostream.step("next", lambda: 1)

    chat = agent_chat(agent_function(keeps))
    chat.send("go")
    assert chat.wait_for("RUN_ERROR")["code"] == "config"
    assert "iostream.state['bad'] is {1, 2}, and only JSON can be kept" in caplog.text
    assert [step.status for step in Step.objects.all()] == ["done"] * (1 if where == "at the end" else 2)


def test_a_function_that_uses_no_state_writes_none(agent_function, agent_chat):
    def plain(iostream):
        iostream.input()
        iostream.step("one", lambda: 1)

    chat = agent_chat(agent_function(plain))
    chat.send("go")
    chat.wait_for("RUN_FINISHED")
    assert Run.objects.get().state is None
    assert not Step.objects.filter(state__isnull=False).exists()


def test_other_streams_keep_it_as_long_as_they_live():
    stream = RecordingStream()
    stream.state["n"] = 1
    assert stream.state == {"n": 1}
    assert RecordingStream().state == {}


def test_functions_that_use_it_first_at_the_same_time_share_it():
    values, other = [], []

    def read():
        if not other:  # the first one: the other one comes before this is done
            other.append(threading.Thread(target=lambda: values.append(state.value), daemon=True))
            other[0].start()
            other[0].join(0.2)
        return {}

    state = RunState(read)
    values.append(state.value)
    other[0].join()
    assert values[0] is values[1]
