"""The wire speaks AG-UI where AG-UI has a word: every frame of a run maps to its models, in an order that it allows."""

import ag_ui.core as ag_ui
import pytest

from agentchat import AgentChatError, ConversableAgent, UserProxyAgent, llm_config, register_function
from agentchat.core import registry
from agentchat.testing import call, cut, say

ONE_TO_ONE = {
    "TEXT_MESSAGE_START": ag_ui.TextMessageStartEvent,
    "TEXT_MESSAGE_CONTENT": ag_ui.TextMessageContentEvent,
    "TEXT_MESSAGE_END": ag_ui.TextMessageEndEvent,
    "TOOL_CALL_START": ag_ui.ToolCallStartEvent,
    "TOOL_CALL_END": ag_ui.ToolCallEndEvent,
    "TOOL_CALL_RESULT": ag_ui.ToolCallResultEvent,
    "STEP_STARTED": ag_ui.StepStartedEvent,
    "STEP_FINISHED": ag_ui.StepFinishedEvent,
    "RUN_ERROR": ag_ui.RunErrorEvent,
}
NOT_EMITTED = {"RUN_ERROR", "STEP_STARTED", "STEP_FINISHED"}  # by the lookup
OURS = {
    "INPUT_REQUESTED",
    "INPUT_ANSWERED",
    "PRINTED",
    "USAGE",
    "BLOCK",
    "OPEN_BLOCK",
    "BRANCH_SELECTED",
    "QUEUED",
    "RUN_WAITING",
}


def to_ag_ui(frame, thread_id):
    """The AG-UI event that a frame is. Raise if it is none."""
    type_ = frame["type"]
    if type_ in OURS:
        return ag_ui.CustomEvent(name=type_, value=frame)
    if type_ in ("RUN_STARTED", "RUN_FINISHED"):
        model = ag_ui.RunStartedEvent if type_ == "RUN_STARTED" else ag_ui.RunFinishedEvent
        parent = {"parentRunId": str(frame["parent"])} if "parent" in frame else {}
        return model.model_validate({**frame, "threadId": thread_id, "runId": str(frame["run"]), **parent})
    if type_ == "TOOL_CALL_ARGS":
        return ag_ui.ToolCallArgsEvent.model_validate({**frame, "delta": frame["args"]})
    return ONE_TO_ONE[type_].model_validate(frame)


def check_order(events):
    """AG-UI's rules: a run begins and ends once; what starts, ends; nothing goes on that has not started."""
    assert isinstance(events[0], ag_ui.RunStartedEvent)
    assert isinstance(events[-1], ag_ui.RunFinishedEvent | ag_ui.RunErrorEvent)
    messages, calls, ended_calls, steps = set(), set(), set(), set()
    for event in events[1:-1]:
        assert not isinstance(event, ag_ui.RunStartedEvent | ag_ui.RunFinishedEvent | ag_ui.RunErrorEvent)
        match event:
            case ag_ui.TextMessageStartEvent():
                assert event.message_id not in messages
                messages.add(event.message_id)
            case ag_ui.TextMessageContentEvent():
                assert event.message_id in messages
                assert event.delta
            case ag_ui.TextMessageEndEvent():
                messages.remove(event.message_id)
            case ag_ui.ToolCallStartEvent():
                calls.add(event.tool_call_id)
            case ag_ui.ToolCallArgsEvent():
                assert event.tool_call_id in calls
            case ag_ui.ToolCallEndEvent():
                calls.remove(event.tool_call_id)
                ended_calls.add(event.tool_call_id)
            case ag_ui.ToolCallResultEvent():
                assert event.tool_call_id in ended_calls
            case ag_ui.StepStartedEvent():
                assert event.step_name not in steps
                steps.add(event.step_name)
            case ag_ui.StepFinishedEvent():
                steps.remove(event.step_name)
    assert not messages
    assert not calls
    assert not steps


@pytest.fixture
def lookup_agent():
    @registry.on_connect("lookup")
    def lookup(iostream):
        agent = ConversableAgent("clerk", llm_config={**llm_config(), "max_retries": 0})
        person = UserProxyAgent(
            "person", human_input_mode="NEVER", is_termination_msg=lambda m: "TERMINATE" in (m.get("content") or "")
        )

        def price(item: str) -> str:
            return f"{item} costs 3"

        register_function(price, caller=agent, executor=person, description="The price of an item")
        iostream.print("one moment")
        person.initiate_chat(agent, message=iostream.input())
        iostream.print(iostream.input("Anything else?"))

    yield "lookup"
    registry.unregister("lookup")


def test_every_frame_of_a_run_is_an_ag_ui_event_and_the_order_is_allowed(lookup_agent, scripted_llm, agent_chat):
    scripted_llm.replies(call("price", item="tea"), say("It costs **3**.\n\nTERMINATE"))
    chat = agent_chat(lookup_agent)
    chat.send("tea?")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("no")
    chat.wait_for("RUN_FINISHED")
    types = {frame["type"] for frame in chat.frames}
    assert types >= {*ONE_TO_ONE, "RUN_STARTED", "RUN_FINISHED", "TOOL_CALL_ARGS", "USAGE", "PRINTED"} - NOT_EMITTED
    check_order([to_ag_ui(frame, str(chat.session.pk)) for frame in chat.frames])


def test_a_failed_run_ends_in_the_order_that_ag_ui_allows(lookup_agent, scripted_llm, agent_chat):
    scripted_llm.replies(call("price", item="tea"), cut("It costs"))
    chat = agent_chat(lookup_agent)
    chat.send("tea?")
    chat.wait_for("RUN_ERROR")
    assert chat.wait_for("RUN_ERROR")["code"] == "llm_stream_cut"
    check_order([to_ag_ui(frame, str(chat.session.pk)) for frame in chat.frames])


@pytest.fixture
def review_agent():
    @registry.on_connect("review")
    def review(iostream):
        def agent(name, **settings):
            return ConversableAgent(name, llm_config={**llm_config(), "max_retries": 0}, **settings)

        person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=0)
        writer, critic, boss = agent("writer"), agent("critic"), agent("boss", human_input_mode="ALWAYS")
        critic.register_nested_chats([{"sender": boss, "recipient": agent("judge"), "max_turns": 2}], trigger=writer)
        writer.register_nested_chats([{"recipient": critic, "max_turns": 1}], trigger=person)
        try:
            person.initiate_chat(writer, message=iostream.input(), max_turns=1)
        except AgentChatError:
            iostream.print("And yet it goes on.")

    yield "review"
    registry.unregister("review")


def shown(chat):
    """Who says something, which nested chats start and finish, and how it ends. The order of all is allowed."""
    check_order([to_ag_ui(frame, str(chat.session.pk)) for frame in chat.frames])
    signs = {"TEXT_MESSAGE_START": "", "STEP_STARTED": "+", "STEP_FINISHED": "-", "PRINTED": "printed"}
    return [signs[frame["type"]] + frame.get("name", "") for frame in chat.frames if frame["type"] in signs]


def test_nested_chats_start_and_finish_in_a_run_that_waits_within_them(review_agent, scripted_llm, agent_chat):
    scripted_llm.replies(say("Too long."))
    chat = agent_chat(review_agent)
    chat.send("a draft")
    chat.wait_for("INPUT_REQUESTED")
    scripted_llm.replies(say("Still too long."))
    chat.send("I like it.")
    chat.wait_for("RUN_FINISHED")
    within = ["boss", "judge", "Guest", "judge"]
    assert shown(chat) == ["Guest", "+writer", "writer", "+critic", *within, "-critic", "critic", "-writer", "writer"]


def test_a_run_that_is_stopped_within_nested_chats_finishes_them_from_within(review_agent, scripted_llm, agent_chat):
    scripted_llm.replies(say("Too long."))
    chat = agent_chat(review_agent)
    chat.send("a draft")
    chat.wait_for("INPUT_REQUESTED")
    assert chat.stop()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    assert shown(chat)[-3:] == ["judge", "-critic", "-writer"]


def test_nested_chats_that_are_cut_off_while_an_agent_writes_are_finished(review_agent, scripted_llm, agent_chat):
    answer = say("Too long.").paused(after=1)
    scripted_llm.replies(answer)
    chat = agent_chat(review_agent)
    chat.send("a draft")
    chat.wait_for("TEXT_MESSAGE_CONTENT")
    assert chat.stop()
    chat.wait_for("RUN_FINISHED", outcome={"type": "cancelled"})
    assert shown(chat)[-3:] == ["judge", "-critic", "-writer"]


def test_an_error_that_is_caught_outside_of_nested_chats_finishes_them(review_agent, scripted_llm, agent_chat):
    scripted_llm.replies(cut("Too"))
    chat = agent_chat(review_agent)
    chat.send("a draft")
    chat.wait_for("RUN_FINISHED", outcome={"type": "success"})
    assert shown(chat)[-4:] == ["judge", "-critic", "-writer", "printed"]


def test_a_run_that_is_tried_again_names_its_parent_and_both_are_in_order(lookup_agent, scripted_llm, agent_chat):
    scripted_llm.replies(say("It costs 3.\n\nTERMINATE"), say("It costs 4.\n\nTERMINATE"))
    chat = agent_chat(lookup_agent)
    chat.send("tea?")
    chat.send("no")
    chat.wait_for("RUN_FINISHED")
    chat.retry(next(f["messageId"] for f in chat.frames if f["type"] == "TEXT_MESSAGE_START" and f["name"] == "clerk"))
    chat.wait_for("RUN_FINISHED", count=2)  # it reads the "no", which was sent before the fork, again
    chat.select_branch(1)
    chat.wait_for("BRANCH_SELECTED")
    events = [to_ag_ui(frame, str(chat.session.pk)) for frame in chat.frames]
    assert isinstance(events.pop(), ag_ui.CustomEvent)
    begin = [index for index, event in enumerate(events) if isinstance(event, ag_ui.RunStartedEvent)][1]
    first, second = events[:begin], events[begin:]
    check_order(first)
    check_order(second)
    assert (first[0].parent_run_id, second[0].parent_run_id) == (None, "1")


def test_the_order_check_finds_a_delta_before_its_start():
    frames = [
        {"type": "RUN_STARTED", "run": 1},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "x"},
        {"type": "RUN_FINISHED", "run": 1, "outcome": {"type": "success"}},
    ]
    with pytest.raises(AssertionError):
        check_order([to_ag_ui(frame, "t") for frame in frames])
