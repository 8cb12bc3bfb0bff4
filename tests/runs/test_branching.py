"""Retry, edit, and the branches that result: what is shared, what is made again, and what pages show."""

import contextlib
import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from pydantic import BaseModel

from agentchat import ConversableAgent, UserProxyAgent, llm_config, owner, register_function
from agentchat.actions import branches, feedback, messages, transactions
from agentchat.core import registry
from agentchat.errors import InputExpired, Rejected, ToolError
from agentchat.events import TextMessage
from agentchat.models import Event, Feedback, Run, Step
from agentchat.presentation import versions as message_actions
from agentchat.presentation.export import to_json, to_markdown
from agentchat.presentation.items import Message
from agentchat.presentation.transcript import of_events
from agentchat.runs import leases
from agentchat.runs.branching.tree import RunNode, Tree, events_of
from agentchat.testing import call, cut, say
from agentchat.visitors import Visitor


def shown(chat, head=None):
    """Who says what in a branch: of those who look, or that ends in the run with this number."""
    chat.session.refresh_from_db()
    run = chat.session.runs.get(number=head).pk if head else None
    items = of_events(events_of(chat.session, head=run)).items
    return [(item.role, item.content) for item in items if isinstance(item, Message)]


def ids_of(chat, content):
    """The ids of the messages that say this, the oldest first."""
    ends = Event.objects.filter(session=chat.session, type="TEXT_MESSAGE_END", payload__content=content)
    return [event.payload["messageId"] for event in ends.order_by("seq")]


def rejected(act, *args):
    with pytest.raises(Rejected) as caught:
        act(*args)
    return caught.value.reason


def person_and_agent(iostream):
    """One answer of a model to one message."""
    message = iostream.input()
    agent = ConversableAgent("agent", llm_config={**llm_config(), "max_retries": 0})
    person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=0)
    person.initiate_chat(agent, message=message, max_turns=1)


def talk(iostream):
    """A model that answers as long as the user goes on."""
    said = [{"role": m["role"], "content": m["content"]} for m in iostream.history]
    agent = ConversableAgent("agent", llm_config={**llm_config(), "max_retries": 0}, human_input_mode="NEVER")
    person = UserProxyAgent("person", human_input_mode="ALWAYS", is_termination_msg=lambda m: False)
    person.initiate_chat(agent, message=[*said, {"role": "user", "content": iostream.input()}])


def test_an_answer_is_regenerated_and_the_older_one_stays_in_its_branch(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    scripted_llm.replies(say("one"))
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    scripted_llm.replies(say("two"))
    chat.retry(ids_of(chat, "one")[0])
    started = chat.wait_for("RUN_STARTED", count=2)
    chat.wait_for("RUN_FINISHED", count=2)
    assert (started["parent"], started["run"]) == (1, 2)
    assert shown(chat) == [("user", "hello"), ("assistant", "two")]
    assert shown(chat, head=1) == [("user", "hello"), ("assistant", "one")]
    second = Run.objects.get(number=2)
    assert second.from_step == 1
    assert [step.kind for step in Step.objects.filter(run=second)] == ["llm"]
    assert ids_of(chat, "one") != ids_of(chat, "two")


def test_a_retry_of_a_retry_is_another_alternative_at_the_same_point(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    for number, answer in enumerate(["one", "two", "three"]):
        scripted_llm.replies(say(answer))
        if number:
            chat.retry(ids_of(chat, ["one", "two"][number - 1])[0])
        else:
            chat.send("hello")
        chat.wait_for("RUN_FINISHED", count=number + 1)
    assert shown(chat) == [("user", "hello"), ("assistant", "three")]
    assert list(Run.objects.filter(parent__number=1).values_list("number", flat=True)) == [2, 3]


def test_a_retry_in_the_middle_replays_silently_what_came_before(agent_function, agent_chat, scripted_llm):
    lives = []

    def count(iostream):
        lives.append(1)
        iostream.print("begun")
        talk(iostream)

    chat = agent_chat(agent_function(count))
    scripted_llm.replies(say("A1"), say("A2"))
    chat.send("one")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("two")
    chat.wait_for("INPUT_REQUESTED", count=2)
    asked = len(scripted_llm.requests)
    scripted_llm.replies(say("B1"), say("B2"))
    chat.retry(ids_of(chat, "A1")[0])
    chat.wait_for("INPUT_REQUESTED", count=3)
    assert len(scripted_llm.requests) == asked + 1
    chat.send("other")
    chat.wait_for("INPUT_REQUESTED", count=4)
    assert shown(chat) == [("user", "one"), ("assistant", "B1"), ("user", "other"), ("assistant", "B2")]
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["begun\n"]
    assert len(lives) == 4
    told = [m["content"] for m in scripted_llm.requests[-1]["messages"] if m["role"] != "system"]
    assert told == ["one", "B1", "other"]


def test_the_answer_to_a_question_is_edited(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(talk))
    scripted_llm.replies(say("A1"), say("A2"))
    chat.send("one")
    first = chat.wait_for("INPUT_REQUESTED")
    chat.send("two")
    chat.wait_for("INPUT_REQUESTED", count=2)
    scripted_llm.replies(say("B2"))
    chat.edit(ids_of(chat, "two")[0], "TWO")
    chat.wait_for("INPUT_REQUESTED", count=3)
    assert shown(chat) == [("user", "one"), ("assistant", "A1"), ("user", "TWO"), ("assistant", "B2")]
    answered = chat.wait_for("INPUT_ANSWERED", value="TWO")
    assert answered["request"] == first["request"]
    asked = [f["request"] for f in chat.frames if f["type"] == "INPUT_REQUESTED"]
    assert len(set(asked)) == 3
    chat.send("three")  # the run in the branch waits, and takes its answer
    scripted_llm.replies(say("B3"))
    chat.wait_for("INPUT_REQUESTED", count=4)
    assert shown(chat)[-2:] == [("user", "three"), ("assistant", "B3")]


def test_an_edit_of_an_edit_is_a_third_alternative(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    scripted_llm.replies(say("A"), say("B"), say("C"))
    chat.send("a")
    chat.wait_for("RUN_FINISHED")
    chat.edit(ids_of(chat, "a")[0], "b")
    chat.wait_for("RUN_FINISHED", count=2)
    chat.edit(ids_of(chat, "b")[0], "c")
    chat.wait_for("RUN_FINISHED", count=3)
    assert shown(chat) == [("user", "c"), ("assistant", "C")]
    assert shown(chat, head=2) == [("user", "b"), ("assistant", "B")]
    assert set(Run.objects.filter(number__gt=1).values_list("parent__number", flat=True)) == {1}


def test_a_failed_run_resumes_where_it_failed(agent_function, agent_chat, scripted_llm):
    calls = []

    def steps(iostream):
        iostream.input()
        iostream.print("n", iostream.step("draw", lambda: calls.append("draw") or 7))
        agent = ConversableAgent("agent", llm_config={**llm_config(), "max_retries": 0})
        iostream.send(TextMessage(name="agent", content=agent.generate_reply([{"role": "user", "content": "hi"}])))

    chat = agent_chat(agent_function(steps))
    scripted_llm.replies(cut("It bro"), cut("It broke ag"), say("It holds"))
    chat.send("hello")
    chat.wait_for("RUN_ERROR")
    chat.retry()
    chat.wait_for("RUN_ERROR", count=2)
    chat.retry()
    chat.wait_for("RUN_FINISHED")
    assert calls == ["draw"]
    assert shown(chat)[:2] == [("user", "hello"), ("assistant", "It holds")]
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["n 7\n"]
    assert not [item for item in of_events(events_of(chat.session)).items if item.kind == "error"]
    assert {run.parent.number for run in Run.objects.filter(number__gt=1)} == {1}


def test_a_failed_step_that_was_caught_is_not_repeated(agent_function, agent_chat):
    tries = []

    def fails(what):
        tries.append(what)
        raise ToolError(what)

    def two(iostream):
        iostream.input()
        try:
            iostream.step("caught", lambda: fails("caught"))
        except ToolError:
            iostream.print("went another way")
        iostream.step("final", lambda: fails("final") if tries.count("final") < 1 else "done")

    chat = agent_chat(agent_function(two))
    chat.send("hello")
    chat.wait_for("RUN_ERROR")
    chat.retry()
    chat.wait_for("RUN_FINISHED")
    assert tries == ["caught", "final"]
    assert len([f for f in chat.frames if f["type"] == "PRINTED"]) == 1


def test_a_stopped_answer_is_regenerated_and_the_partial_one_is_the_other_alternative(
    agent_function, agent_chat, scripted_llm
):
    chat = agent_chat(agent_function(person_and_agent))
    scripted_llm.replies(say("half of it").paused(after=1))
    chat.send("hello")
    chat.wait_for("TEXT_MESSAGE_CONTENT")
    assert rejected(chat.retry) == "busy"
    assert chat.stop()
    chat.wait_for("RUN_FINISHED")
    scripted_llm.replies(say("all of it"))
    chat.retry()
    chat.wait_for("RUN_FINISHED", count=2)
    assert shown(chat) == [("user", "hello"), ("assistant", "all of it")]
    assert shown(chat, head=1)[1][1] in "half of it"


def test_a_run_that_did_not_fail_cannot_be_retried(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    assert rejected(chat.retry) == "nothing_to_retry"
    scripted_llm.replies(say("one"))
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    assert rejected(chat.retry) == "nothing_to_retry"
    assert rejected(chat.retry, "nobody-said-it") == "no_such_message"
    assert rejected(chat.retry, ids_of(chat, "hello")[0]) == "no_such_message"
    assert rejected(chat.edit, ids_of(chat, "one")[0], "x") == "no_such_message"
    assert rejected(chat.edit, ids_of(chat, "hello")[0], "  ") == "empty"
    assert rejected(chat.edit, ids_of(chat, "hello")[0], "x" * 100_000) == "too_long"
    assert rejected(chat.select_branch, 99) == "no_such_run"
    assert Run.objects.count() == 1


def test_a_request_that_arrives_twice_is_carried_out_once(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    scripted_llm.replies(say("one"), say("two"), say("three"))
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    client_id, message_id = uuid.uuid4(), ids_of(chat, "one")[0]
    for _ in range(2):
        branches.retry(chat.session.pk, chat.visitor, client_id=client_id, message_id=message_id)
    chat.wait_for("RUN_FINISHED", count=2)
    branches.retry(chat.session.pk, chat.visitor, client_id=client_id, message_id=message_id)
    client_id, message_id = uuid.uuid4(), ids_of(chat, "hello")[0]
    for _ in range(2):
        branches.edit(chat.session.pk, chat.visitor, client_id=client_id, message_id=message_id, text="bye")
    chat.wait_for("RUN_FINISHED", count=3)
    assert Run.objects.count() == 3
    assert shown(chat) == [("user", "bye"), ("assistant", "three")]


def test_retries_count_towards_the_messages_per_minute(agent_function, agent_chat, scripted_llm, settings):
    chat = agent_chat(agent_function(person_and_agent))
    settings.AGENTCHAT = {"MESSAGES_PER_MINUTE": 2}
    scripted_llm.replies(say("one"), say("two"))
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    chat.retry(ids_of(chat, "one")[0])
    chat.wait_for("RUN_FINISHED", count=2)
    assert rejected(chat.retry, ids_of(chat, "two")[0]) == "too_many_messages"
    assert rejected(chat.edit, ids_of(chat, "hello")[0], "x") == "too_many_messages"
    assert rejected(chat.select_branch, 1) == "too_many_messages"


def test_another_visitor_can_do_none_of_it(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    scripted_llm.replies(say("one"))
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    answer, words = ids_of(chat, "one")[0], ids_of(chat, "hello")[0]
    chat.visitor = Visitor(guest_key="somebody-else")
    assert rejected(chat.retry, answer) == "not_found"
    assert rejected(chat.edit, words, "x") == "not_found"
    assert rejected(chat.select_branch, 1) == "not_found"

    def rate():
        feedback.rate(chat.session.pk, chat.visitor, message_id=answer, value="up")

    assert rejected(rate) == "not_found"
    assert Run.objects.count() == 1


def test_a_message_of_another_chat_is_not_found(agent_function, agent_chat, scripted_llm):
    name = agent_function(person_and_agent)
    mine, other = agent_chat(name), agent_chat(name)
    scripted_llm.replies(say("one"))
    other.send("hello")
    other.wait_for("RUN_FINISHED")
    assert rejected(mine.retry, ids_of(other, "one")[0]) == "no_such_message"
    assert rejected(mine.edit, ids_of(other, "hello")[0], "x") == "no_such_message"


def test_an_agent_that_was_removed_cannot_be_retried(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    scripted_llm.replies(say("one"))
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    registry.unregister("probe")
    assert rejected(chat.retry, ids_of(chat, "one")[0]) == "agent_not_available"
    assert rejected(chat.edit, ids_of(chat, "hello")[0], "x") == "agent_not_available"


# --- looking at another branch --------------------------------------------------------------------------------------


def test_all_tabs_follow_the_selected_branch_and_the_next_message_continues_it(
    agent_function, agent_chat, scripted_llm
):
    chat = agent_chat(agent_function(talk_once))
    scripted_llm.replies(say("one"), say("two"), say("after one"))
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    chat.retry(ids_of(chat, "one")[0])
    chat.wait_for("RUN_FINISHED", count=2)
    chat.select_branch(1)
    selected = chat.wait_for("BRANCH_SELECTED")
    assert selected["run"] == 1
    assert shown(chat) == [("user", "hello"), ("assistant", "one")]
    chat.send("and then?")
    chat.wait_for("RUN_FINISHED", count=3)
    assert shown(chat) == [("user", "hello"), ("assistant", "one"), ("user", "and then?"), ("assistant", "after one")]
    told = [m["content"] for m in scripted_llm.requests[-1]["messages"] if m["role"] != "system"]
    assert told == ["hello", "one", "and then?"]
    chat.select_branch(2)
    chat.select_branch(1)  # its branch goes on with what followed
    chat.session.refresh_from_db()
    assert chat.session.head.number == 3
    seqs = list(Event.objects.filter(session=chat.session).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))


def talk_once(iostream):
    said = [{"role": m["role"], "content": m["content"]} for m in iostream.history]
    agent = ConversableAgent("agent", llm_config={**llm_config(), "max_retries": 0})
    message = {"role": "user", "content": iostream.input()}
    agent.generate_reply([*said, message])


def test_a_parked_run_asks_its_question_again_when_its_branch_is_selected(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(talk))
    scripted_llm.replies(say("A1"), say("B1"))
    chat.send("one")
    chat.wait_for("INPUT_REQUESTED")
    chat.retry(ids_of(chat, "A1")[0])
    chat.wait_for("INPUT_REQUESTED", count=2)
    chat.select_branch(1)
    request = chat.wait_for("INPUT_REQUESTED", count=3)
    assert shown(chat) == [("user", "one"), ("assistant", "A1")]
    scripted_llm.replies(say("A2"))
    chat.answer(request["request"], "two")
    chat.wait_for("INPUT_REQUESTED", count=4)
    assert shown(chat) == [("user", "one"), ("assistant", "A1"), ("user", "two"), ("assistant", "A2")]
    told = [m["content"] for m in scripted_llm.requests[-1]["messages"] if m["role"] != "system"]
    assert told == ["one", "A1", "two"]
    assert not [item for item in of_events(events_of(chat.session)).items if item.kind == "ended"]


def test_no_other_branch_is_selected_while_a_run_advances(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    scripted_llm.replies(say("one"), say("two two").paused(after=1))
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    chat.retry(ids_of(chat, "one")[0])
    chat.wait_for("TEXT_MESSAGE_CONTENT", delta="two")
    assert rejected(chat.select_branch, 1) == "busy"
    assert rejected(chat.edit, ids_of(chat, "hello")[0], "x") == "busy"
    assert chat.stop()
    chat.wait_for("RUN_FINISHED", count=2)
    chat.select_branch(1)
    assert shown(chat)[-1] == ("assistant", "one")


# --- what is shared, and what is made again -------------------------------------------------------------------------


def asks_twice(iostream):
    iostream.input()
    iostream.print("got", iostream.input("Second?"))


def asks_in_vain_and_twice(iostream):
    iostream.input()
    with contextlib.suppress(InputExpired):
        iostream.ask("Nobody can answer this.", Form, expires_at=timezone.now() - timedelta(seconds=1))
    iostream.print("in vain")
    iostream.print("got", iostream.input("Second?"))


class Form(BaseModel):
    words: str


@pytest.mark.parametrize("function", [asks_twice, asks_in_vain_and_twice])
def test_an_edited_answer_that_no_run_has_read_is_retried_and_no_question_stays_open(
    agent_function, agent_chat, monkeypatch, function
):
    chat = agent_chat(agent_function(function))
    chat.send("hello")
    chat.wait_for("INPUT_REQUESTED", prompt="Second?")
    chat.send("one")
    chat.wait_for("RUN_FINISHED")
    with monkeypatch.context() as patch:
        patch.setattr(leases, "claim", lambda run_id: None)
        patch.setattr(leases, "may_claim_at_once", lambda run, now: False)
        chat.edit(ids_of(chat, "one")[0], "two")
        assert chat.stop()
    chat.retry()
    chat.wait_for("PRINTED", text="got two\n")
    chat.wait_for("RUN_FINISHED", count=3)
    chat.session.refresh_from_db()
    told = list(events_of(chat.session))
    asked = [event.payload["request"] for event in told if event.type == "INPUT_REQUESTED"]
    assert set(asked) <= {event.payload["request"] for event in told if event.type == "INPUT_ANSWERED"}
    printed = [event.payload["text"] for event in told if event.type == "PRINTED"]
    assert printed == ["in vain\n", "got two\n"][function is asks_twice :]
    assert shown(chat) == [("user", "hello"), ("user", "two")]
    assert len(message_versions(chat)) == 3


def test_a_fork_point_among_inherited_events_hides_what_follows_there():
    parts = [(1, None, None), (2, 1, 20), (3, 2, 10)]
    tree = Tree(RunNode(pk=pk, number=pk, parent=parent, from_seq=seq, from_step=0) for pk, parent, seq in parts)
    assert [(part.node.pk, part.before) for part in tree.branch(3)] == [(1, 10), (2, 10), (3, None)]


def message_versions(chat):
    """The numbers of the runs that continue from the one fork point of the shown branch."""
    items = of_events(events_of(chat.session)).items
    message_actions.add(items, chat.session, Tree.of(chat.session.pk))
    return next(item.versions.runs for item in items if isinstance(item, Message) and item.versions)


def test_a_message_typed_while_an_agent_wrote_is_edited_and_the_answer_stays_whole(
    agent_function, agent_chat, scripted_llm
):
    chat = agent_chat(agent_function(talk))
    answer = say("a long answer").paused(after=1)
    scripted_llm.replies(answer, say("to two"))
    chat.send("one")
    chat.wait_for("TEXT_MESSAGE_CONTENT")
    chat.send("two")  # within the answer
    chat.wait_for("TEXT_MESSAGE_END", content="two")
    answer.release()
    chat.wait_for("INPUT_REQUESTED")
    scripted_llm.replies(say("to TWO"))
    chat.edit(ids_of(chat, "two")[0], "TWO")
    chat.wait_for("INPUT_REQUESTED", count=2)
    assert shown(chat) == [
        ("user", "one"),
        ("assistant", "a long answer"),
        ("user", "TWO"),
        ("assistant", "to TWO"),
    ]
    told = [m["content"] for m in scripted_llm.requests[-1]["messages"] if m["role"] != "system"]
    assert told == ["one", "a long answer", "TWO"]
    assert not any(item.writing for item in of_events(events_of(chat.session)).items if isinstance(item, Message))


def test_messages_unread_at_the_fork_point_are_in_the_new_runs_inbox(agent_function, agent_chat, scripted_llm):
    hold = threading.Event()

    def held(iostream):
        first = iostream.input()
        iostream.step("hold", lambda: hold.wait(20))
        agent = ConversableAgent("agent", llm_config={**llm_config(), "max_retries": 0})
        agent.generate_reply([{"role": "user", "content": first}])
        iostream.print("heard", iostream.input("More?"))

    chat = agent_chat(agent_function(held))
    scripted_llm.replies(say("A"), say("B"))
    chat.send("one")
    chat.wait_for("TEXT_MESSAGE_END", content="one")
    chat.send("two")
    chat.wait_for("TEXT_MESSAGE_END", content="two")
    hold.set()
    chat.wait_for("RUN_FINISHED")
    chat.retry(ids_of(chat, "A")[0])
    chat.wait_for("RUN_FINISHED", count=2)
    assert shown(chat) == [("user", "one"), ("user", "two"), ("assistant", "B")]
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["heard two\n"] * 2
    # They are this branch's own now, and can be edited in it.
    scripted_llm.replies(say("never asked"))
    chat.edit(ids_of(chat, "two")[1], "TWO")
    chat.wait_for("RUN_FINISHED", count=3)
    assert shown(chat)[-2:] == [("assistant", "B"), ("user", "TWO")] or ("user", "TWO") in shown(chat)
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"][-1] == "heard TWO\n"


def test_a_message_that_started_the_next_run_is_edited(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    answer = say("to one").paused(after=1)
    scripted_llm.replies(answer, say("to two"), say("to TWO"))
    chat.send("one")
    chat.wait_for("TEXT_MESSAGE_CONTENT")
    chat.send("two")
    chat.wait_for("TEXT_MESSAGE_END", content="two")
    answer.release()
    chat.wait_for("RUN_FINISHED", count=2)
    chat.edit(ids_of(chat, "two")[0], "TWO")
    chat.wait_for("TEXT_MESSAGE_END", content="to TWO")
    chat.wait_for("RUN_FINISHED", count=4)
    assert shown(chat) == [("user", "one"), ("assistant", "to one"), ("user", "TWO"), ("assistant", "to TWO")]
    assert len(scripted_llm.requests) == 3


def with_tool(iostream, pay, **options):
    message = iostream.input()
    clerk = ConversableAgent("clerk", llm_config={**llm_config(), "max_retries": 0})
    desk = UserProxyAgent(
        "desk", human_input_mode="NEVER", is_termination_msg=lambda m: "TERMINATE" in (m.get("content") or "")
    )
    register_function(pay, caller=clerk, executor=desk, description="Pay.", **options)
    desk.initiate_chat(clerk, message=message)


def test_a_tool_that_was_called_before_the_fork_point_is_not_called_again(agent_function, agent_chat, scripted_llm):
    paid = []

    def pay(euros: int) -> str:
        paid.append(euros)
        return f"paid {euros}"

    chat = agent_chat(agent_function(lambda iostream: with_tool(iostream, pay, approval=True)))
    scripted_llm.replies(call("pay", euros=5), say("Done. TERMINATE"))
    chat.send("pay 5")
    request = chat.wait_for("INPUT_REQUESTED")["request"]
    chat.answer(request, {"decision": "approve"})
    chat.wait_for("RUN_FINISHED")
    scripted_llm.replies(say("All done. TERMINATE"))
    chat.retry(ids_of(chat, "Done. TERMINATE")[0])
    chat.wait_for("RUN_FINISHED", count=2)
    assert paid == [5]
    assert shown(chat)[-1] == ("assistant", "All done. TERMINATE")
    tools = [item for item in of_events(events_of(chat.session)).items if item.kind == "tool"]
    assert [(item.state, item.result) for item in tools] == [("done", "paid 5")]


def test_a_tool_that_was_cut_off_asks_before_it_is_called_again(agent_function, agent_chat, scripted_llm):
    begun, go_on, paid = threading.Event(), threading.Event(), []

    def pay(euros: int) -> str:
        paid.append(euros)
        begun.set()
        go_on.wait(20)
        return f"paid {euros}"

    chat = agent_chat(agent_function(lambda iostream: with_tool(iostream, pay, outcome_unknown_to=owner())))
    scripted_llm.replies(call("pay", euros=5))
    chat.send("pay 5")
    assert begun.wait(20)
    Step.objects.filter(kind="tool").update(tries=1)
    run = Run.objects.get()
    # Its process is gone: how it ended will never be recorded.
    Run.objects.filter(pk=run.pk).update(owner_process="gone", stop_requested=True)
    go_on.set()
    with messages.lock_session(chat.session.pk) as session:
        run.refresh_from_db()
        frames, _ = messages.end_run(
            session, run, Run.Status.STOPPED, messages.RunFinished(outcome={"type": "cancelled"})
        )
    transactions.publish_soon(chat.session.pk, frames, messages.runner.loop)
    chat.wait_for("RUN_FINISHED")
    assert Step.objects.get(kind="tool").status == Step.Status.STARTED
    chat.retry()
    request = chat.wait_for("INPUT_REQUESTED")
    assert request["unsure"] is True
    assert paid == [5]
    chat.stop()
    chat.wait_for("RUN_FINISHED", count=2)
    chat.retry()  # a retry of a retry asks under its own name
    again = chat.wait_for("INPUT_REQUESTED", count=2)
    assert again["request"] != request["request"]
    scripted_llm.replies(say("Done. TERMINATE"))
    chat.answer(again["request"], {"decision": "approve"})
    chat.wait_for("RUN_FINISHED", count=3)
    assert paid == [5, 5]
    assert Step.objects.get(run__number=1, kind="tool").tries == 1
    cards = [item for item in of_events(events_of(chat.session)).items if item.kind == "request"]
    assert [card.state for card in cards] == ["approved"]


def test_a_run_with_a_password_before_the_fork_point_is_not_replayed(agent_function, agent_chat, scripted_llm):
    def secret(iostream):
        iostream.input()
        iostream.input("Password?", password=True)
        ConversableAgent("agent", llm_config=llm_config()).generate_reply([{"role": "user", "content": "hi"}])

    chat = agent_chat(agent_function(secret))
    scripted_llm.replies(say("one"))
    chat.send("hello")
    chat.answer(chat.wait_for("INPUT_REQUESTED")["request"], "xyzzy")
    chat.wait_for("RUN_FINISHED")
    assert rejected(chat.retry, ids_of(chat, "one")[0]) == "password_erased"
    assert Run.objects.count() == 1
    scripted_llm.replies(say("two"))
    chat.edit(ids_of(chat, "hello")[0], "hi")  # the point lies before it: it is asked for again
    chat.answer(chat.wait_for("INPUT_REQUESTED", count=2)["request"], "plugh")
    chat.wait_for("RUN_FINISHED", count=2)
    assert shown(chat) == [("user", "hi"), ("assistant", "two")]


def test_an_extended_limit_is_inherited_and_a_refusal_is_asked_again(agent_function, agent_chat, settings):
    settings.AGENTCHAT = {"MAX_STEPS": 2}
    fails = [True]

    def many(iostream):
        iostream.input()
        for n in range(3):
            iostream.step(f"s{n}", lambda: 1)
        if fails.pop() if fails else False:
            raise RuntimeError("once")
        for n in range(3, 6):
            iostream.step(f"s{n}", lambda: 1)

    chat = agent_chat(agent_function(many))
    chat.send("hello")
    chat.answer(chat.wait_for("INPUT_REQUESTED")["request"], {"decision": "approve"})
    chat.wait_for("RUN_ERROR")
    chat.retry()  # what it has spent is its own: three steps more, and leave for four
    chat.wait_for("RUN_FINISHED")
    assert len([f for f in chat.frames if f["type"] == "INPUT_REQUESTED"]) == 1
    other = agent_chat("probe")
    other.send("hello")
    other.answer(other.wait_for("INPUT_REQUESTED")["request"], {"decision": "reject"})
    assert other.wait_for("RUN_ERROR")["code"] == "cap_reached"
    other.retry()
    other.answer(other.wait_for("INPUT_REQUESTED", count=2)["request"], {"decision": "approve"})
    other.wait_for("RUN_FINISHED")


def test_a_function_that_is_not_durable_runs_from_its_start_with_its_first_message(
    agent_function, agent_chat, scripted_llm
):
    chat = agent_chat(agent_function(talk_and_print, durable=False))
    scripted_llm.replies(say("one"), say("two"))
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    chat.retry(ids_of(chat, "one")[0])
    chat.wait_for("RUN_FINISHED", count=2)
    assert shown(chat) == [("user", "hello"), ("assistant", "two")]
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["begun\n"] * 2
    assert Run.objects.get(number=2).from_step == 0
    scripted_llm.replies(say("three"))
    chat.edit(ids_of(chat, "hello")[1], "bye")
    chat.wait_for("RUN_FINISHED", count=3)
    assert shown(chat) == [("user", "bye"), ("assistant", "three")]


def talk_and_print(iostream):
    iostream.print("begun")
    talk_once(iostream)


def test_retrying_a_message_that_no_model_wrote_starts_over(agent_function, agent_chat):
    lives = []

    def canned(iostream):
        words = iostream.input()
        lives.append(1)
        iostream.send(TextMessage(name="agent", content=f"{words} {len(lives)}"))

    chat = agent_chat(agent_function(canned))
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    chat.retry(ids_of(chat, "hello 1")[0])
    chat.wait_for("RUN_FINISHED", count=2)
    assert shown(chat) == [("user", "hello"), ("assistant", "hello 2")]
    assert shown(chat, head=1) == [("user", "hello"), ("assistant", "hello 1")]


def test_a_run_that_never_asked_is_retried_with_the_messages_that_started_it(agent_function, agent_chat):
    broken = [True]

    def deaf(iostream):
        if broken:
            raise RuntimeError("before the first input")
        iostream.print("got", iostream.input())

    chat = agent_chat(agent_function(deaf))
    chat.send("hello")
    chat.wait_for("RUN_ERROR")
    broken.clear()
    chat.retry()
    chat.wait_for("RUN_FINISHED")
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["got hello\n"]
    assert shown(chat) == [("user", "hello")]


@pytest.mark.parametrize("steps", [0, 1])
def test_a_function_that_never_asks_is_retried_once(agent_function, agent_chat, scripted_llm, steps):
    def deaf(iostream):
        for number in range(steps):
            iostream.step(f"own {number}", lambda: 1)
        agent = ConversableAgent("agent", llm_config={**llm_config(), "max_retries": 0})
        person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=0)
        person.initiate_chat(agent, message="What is new?", max_turns=1)

    chat = agent_chat(agent_function(deaf))
    scripted_llm.replies(say("one"), say("two"))  # a third request would fail the test
    chat.send("hello")
    chat.wait_for("RUN_FINISHED")
    chat.retry(ids_of(chat, "one")[0])
    chat.wait_for("RUN_FINISHED", count=2)
    assert Run.objects.get(number=2).from_step == steps
    assert list(chat.session.runs.filter(status__in=Run.LIVE)) == []
    assert Run.objects.count() == 2
    assert not chat.session.inbox.filter(run=None).exists()


def test_a_changed_agent_function_is_retried_from_its_start(agent_function, agent_chat):
    version = [1]

    def changing(iostream):
        iostream.input()
        iostream.step("old" if version == [1] else "new", lambda: 1)
        iostream.print("more", iostream.input("More?"))

    chat = agent_chat(agent_function(changing))
    chat.send("hello")
    request = chat.wait_for("INPUT_REQUESTED")["request"]
    version[0] = 2
    chat.answer(request, "x")
    assert chat.wait_for("RUN_ERROR")["code"] == "diverged"
    chat.retry()
    chat.answer(chat.wait_for("INPUT_REQUESTED", count=2)["request"], "y")
    chat.wait_for("RUN_FINISHED")
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["more y\n"]


def test_a_branch_outlives_the_death_of_its_process(agent_function, agent_chat, scripted_llm):
    is_frozen, hold = [False], threading.Event()

    def dies(iostream):
        iostream.print("begun")
        message = iostream.input()
        agent = ConversableAgent("agent", llm_config={**llm_config(), "max_retries": 0})
        agent.generate_reply([{"role": "user", "content": message}])
        if is_frozen == [True]:
            is_frozen[0] = False
            hold.wait(20)  # until it is not its run any more
        iostream.print("then", iostream.input("Then?"))

    chat = agent_chat(agent_function(dies))
    scripted_llm.replies(say("A"), say("B"))
    chat.send("one")
    chat.answer(chat.wait_for("INPUT_REQUESTED")["request"], "x")
    chat.wait_for("RUN_FINISHED")
    is_frozen[0] = True
    chat.retry(ids_of(chat, "A")[0])
    chat.wait_for("TEXT_MESSAGE_END", content="B")
    Run.objects.filter(number=2).update(owner_process="", status=Run.Status.QUEUED)
    hold.set()
    request = chat.wait_for("INPUT_REQUESTED", count=2)["request"]
    chat.answer(request, "y")
    chat.wait_for("RUN_FINISHED", count=2)
    assert Run.objects.get(number=2).epoch >= 3
    assert shown(chat) == [("user", "one"), ("assistant", "B"), ("user", "y")]
    assert [f["text"] for f in chat.frames if f["type"] == "PRINTED"] == ["begun\n", "then x\n", "then y\n"]
    assert len(scripted_llm.requests) == 2


def test_a_run_that_was_stopped_within_nested_chats_resumes_within_them(agent_function, agent_chat, scripted_llm):
    def review(iostream):
        def agent(name, **settings):
            return ConversableAgent(name, llm_config={**llm_config(), "max_retries": 0}, **settings)

        person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=0)
        writer, judge = agent("writer"), agent("judge")
        writer.register_nested_chats([{"recipient": judge, "max_turns": 1}], trigger=person)
        person.initiate_chat(writer, message=iostream.input(), max_turns=1)

    chat = agent_chat(agent_function(review))
    scripted_llm.replies(say("Too long.").paused(after=1))
    chat.send("a draft")
    chat.wait_for("TEXT_MESSAGE_CONTENT")
    chat.stop()
    chat.wait_for("RUN_FINISHED")
    answer = say("Much too long.").paused(after=1)
    scripted_llm.replies(answer)
    chat.retry()
    chat.wait_for("TEXT_MESSAGE_CONTENT", delta="Much")
    chat.stop()
    chat.wait_for("RUN_FINISHED", count=2)
    types = [e.type for e in events_of(chat.session) if e.type.startswith("STEP")]
    assert types == ["STEP_STARTED", "STEP_FINISHED"]
    scripted_llm.replies(say("Fine."))
    chat.retry()
    chat.wait_for("RUN_FINISHED", count=3)
    types = [e.type for e in events_of(chat.session) if e.type.startswith("STEP")]
    assert types == ["STEP_STARTED", "STEP_FINISHED"]


def test_the_history_of_a_run_is_that_of_its_branch(agent_function, agent_chat):
    heard = []

    def remember(iostream):
        heard.append([m["content"] for m in iostream.history])
        iostream.input()

    chat = agent_chat(agent_function(remember))
    for count, text in enumerate(["a", "b"], 1):
        chat.send(text)
        chat.wait_for("RUN_FINISHED", count=count)
    chat.edit(ids_of(chat, "a")[0], "A")
    chat.wait_for("RUN_FINISHED", count=3)
    chat.send("c")
    chat.wait_for("RUN_FINISHED", count=4)
    chat.select_branch(1)
    chat.send("d")
    chat.wait_for("RUN_FINISHED", count=5)
    chat.edit(ids_of(chat, "b")[0], "B")
    chat.wait_for("RUN_FINISHED", count=6)
    assert heard == [[], ["a"], [], ["A"], ["a", "b"], ["a"]]


# --- versions and ratings -------------------------------------------------------------------------------------------


def versions(chat):
    chat.session.refresh_from_db()
    tree = Tree.of(chat.session.pk)
    items = of_events(events_of(chat.session)).items
    message_actions.add(items, chat.session, tree)
    return {
        item.content: (item.versions.number, item.versions.runs)
        for item in items
        if isinstance(item, Message) and item.versions
    }


def test_versions_are_shown_at_the_first_message_after_the_fork_point(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    scripted_llm.replies(say("A"), say("B"), say("C"), say("D"), say("E"))
    chat.send("a")
    chat.wait_for("RUN_FINISHED")
    assert versions(chat) == {}
    chat.retry(ids_of(chat, "A")[0])  # run 2: B
    chat.wait_for("RUN_FINISHED", count=2)
    chat.send("c")  # run 3: C
    chat.wait_for("RUN_FINISHED", count=3)
    assert versions(chat) == {"B": (2, [1, 3])}
    chat.edit(ids_of(chat, "c")[0], "d")  # run 4: D
    chat.wait_for("RUN_FINISHED", count=4)
    assert versions(chat) == {"B": (2, [1, 4]), "d": (2, [3, 4])}
    chat.retry(ids_of(chat, "B")[0])  # run 5: E
    chat.wait_for("RUN_FINISHED", count=5)
    assert versions(chat) == {"E": (3, [1, 4, 5])}
    chat.select_branch(1)
    assert versions(chat) == {"A": (1, [1, 4, 5])}


def test_only_an_agents_message_of_the_chat_is_rated(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    scripted_llm.replies(say("A"))
    chat.send("a")
    chat.wait_for("RUN_FINISHED")
    answer = ids_of(chat, "A")[0]

    def rate(message_id, value, comment=""):
        feedback.rate(chat.session.pk, chat.visitor, message_id=message_id, value=value, comment=comment)

    rate(answer, "up")
    rate(answer, "down", "too short")
    assert list(Feedback.objects.values_list("value", "comment")) == [("down", "too short")]
    assert rejected(rate, answer, "up", "x" * 2001) == "too_long"
    assert rejected(rate, ids_of(chat, "a")[0], "up") == "no_such_message"
    assert rejected(rate, "nothing", "up") == "no_such_message"
    assert json.loads(to_json(chat.session))["feedback"][0]["comment"] == "too short"
    rate(answer, None)
    assert not Feedback.objects.exists()


def test_an_exported_transcript_has_the_shown_branch_and_json_has_all(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    scripted_llm.replies(say("older answer"), say("newer answer"))
    chat.send("a")
    chat.wait_for("RUN_FINISHED")
    chat.retry(ids_of(chat, "older answer")[0])
    chat.wait_for("RUN_FINISHED", count=2)
    chat.session.refresh_from_db()
    text = to_markdown(chat.session)
    assert "newer answer" in text
    assert "older answer" not in text
    document = json.loads(to_json(chat.session))
    assert "older answer" in json.dumps(document["events"])
    assert [(run["run"], run["parent"]) for run in document["runs"]] == [(1, None), (2, 1)]
    assert document["head"] == 2


def test_a_chat_with_one_branch_needs_no_condition_on_its_events(agent_function, agent_chat, scripted_llm):
    chat = agent_chat(agent_function(person_and_agent))
    scripted_llm.replies(say("A"), say("B"))
    chat.send("a")
    chat.wait_for("RUN_FINISHED")
    chat.send("b")
    chat.wait_for("RUN_FINISHED", count=2)
    chat.session.refresh_from_db()
    assert not Tree.of(chat.session.pk).condition(chat.session.head_id)
