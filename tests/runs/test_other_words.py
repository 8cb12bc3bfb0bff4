"""A question whose words have changed while the run waited: whose answer is the user's?"""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError
from pydantic import BaseModel, create_model

from agentchat.infra import moments
from agentchat.models import Event, InboxItem
from agentchat.runs import transactions
from agentchat.runs.session_lock import lock_session_of


def prompts(chat):
    return [frame["prompt"] for frame in chat.frames if frame["type"] == "INPUT_REQUESTED"]


def printed(chat):
    return [frame["text"].strip() for frame in chat.frames if frame["type"] == "PRINTED"]


@pytest.fixture
def changing(agent_function, agent_chat):
    """A chat with a function that asks, at each of its executions, what the next of these functions asks."""

    def make(*questions):
        executions = []

        def changing(iostream):
            executions.append(1)
            iostream.input()
            iostream.print(repr(questions[min(len(executions), len(questions)) - 1](iostream)))
            iostream.input("Anything else?")

        chat = agent_chat(agent_function(changing))
        chat.send("hello")
        chat.wait_for("INPUT_REQUESTED")
        return chat

    return make


def asks(prompt, **more):
    return lambda iostream: iostream.input(prompt, **more)


def test_an_answer_to_other_words_is_discarded_and_the_question_asked_once_more(changing):
    chat = changing(asks("Our newsletter, too?"), asks("Cancel all your orders?"))
    chat.send("yes")
    second = chat.wait_for("INPUT_REQUESTED", count=2)
    assert second["prompt"] == "Cancel all your orders?"
    assert printed(chat) == []
    chat.send("God forbid")
    chat.wait_for("INPUT_REQUESTED", count=3)
    assert printed(chat) == ["'God forbid'"]
    assert not InboxItem.objects.filter(run=None).exists()


def test_words_that_change_at_each_execution_end_the_run_and_name_the_remedy(changing, caplog):
    chat = changing(*(asks(f"It is 10:0{minute}. Shall we?") for minute in range(5)))
    chat.send("yes")
    chat.wait_for("INPUT_REQUESTED", count=2)
    chat.send("yes!")
    assert chat.wait_for("RUN_ERROR")["code"] == "diverged"
    assert "name='confirm'" in caplog.text
    assert printed(chat) == []


def test_a_named_question_may_change_its_words(changing):
    chat = changing(*(asks(f"It is 10:0{minute}. Shall we?", name="confirm") for minute in range(5)))
    chat.send("yes")
    chat.wait_for("PRINTED")
    assert printed(chat) == ["'yes'"]


def test_another_name_is_another_question(changing):
    chat = changing(asks("Sure?", name="newsletter"), asks("Sure?", name="cancel"))
    chat.send("yes")
    chat.wait_for("INPUT_REQUESTED", count=2)
    assert printed(chat) == []


def test_a_question_that_gets_a_name_while_it_waits_keeps_its_answer(changing):
    chat = changing(asks("Sure?"), asks("Sure?", name="confirm"))
    chat.send("yes")
    chat.wait_for("PRINTED")
    assert printed(chat) == ["'yes'"]


def test_a_recorded_answer_stays_and_other_words_are_logged(changing, caplog):
    chat = changing(asks("Which colour?"), asks("Which colour?"), asks("Which color?"))
    chat.send("red")
    chat.wait_for("INPUT_REQUESTED", prompt="Anything else?")
    chat.send("no")
    chat.wait_for("RUN_FINISHED")
    assert prompts(chat) == ["Which colour?", "Anything else?"]
    assert "the recorded answer to 'Which colour?' is used for 'Which color?'" in caplog.text


class Order(BaseModel):
    pieces: int


def form(model, prompt="Your order", **more):
    return lambda iostream: iostream.ask(prompt, model, **more).model_dump()


def test_a_form_with_other_fields_is_filled_in_once_more(changing):
    chat = changing(form(Order), form(create_model("Order", pieces=(int, ...), express=(bool, ...))))
    chat.answer(chat.frames[-1]["request"], {"pieces": 3})
    second = chat.wait_for("INPUT_REQUESTED", count=2)
    chat.answer(second["request"], {"pieces": 4, "express": True})
    chat.wait_for("PRINTED")
    assert printed(chat) == ["{'pieces': 4, 'express': True}"]


def test_a_named_form_keeps_its_answer_where_the_fields_still_take_it(changing):
    chat = changing(form(Order, name="order"), form(Order, "What would you like?", name="order"))
    chat.answer(chat.frames[-1]["request"], {"pieces": 3})
    chat.wait_for("PRINTED")
    assert printed(chat) == ["{'pieces': 3}"]


def test_a_question_that_expired_is_closed_when_it_is_asked_in_other_words(changing, time_passes):
    chat = changing(form(Order, expires_at=moments.now() + timedelta(hours=1)), form(Order, "In other words"))
    time_passes(timedelta(hours=2))
    chat.wait_for("INPUT_ANSWERED", expired=True)
    second = chat.wait_for("INPUT_REQUESTED", count=2)
    chat.answer(second["request"], {"pieces": 1})
    chat.wait_for("PRINTED")
    assert printed(chat) == ["{'pieces': 1}"]


def test_both_answers_can_be_edited(changing):
    chat = changing(asks("Our newsletter, too?"), asks("Cancel all your orders?"))
    chat.send("yes")
    chat.wait_for("INPUT_REQUESTED", count=2)
    chat.send("no")
    chat.wait_for("INPUT_REQUESTED", count=3)
    ids = [frame["messageId"] for frame in chat.frames if frame["type"] == "TEXT_MESSAGE_END"]
    chat.edit(ids[2], "not at all")
    chat.wait_for("INPUT_REQUESTED", count=4)
    chat.edit(ids[1], "no newsletter")
    assert chat.wait_for("INPUT_REQUESTED", count=5)["prompt"] == "Cancel all your orders?"
    assert printed(chat) == ["'no'", "'not at all'"]


@pytest.mark.parametrize("where", ["within", "after"])
@pytest.mark.parametrize("number", range(1, 3))
def test_a_lost_transaction_changes_nothing_about_it(number, where, changing, monkeypatch):
    chat = changing(asks("Our newsletter, too?"), asks("Cancel all your orders?"))
    count = []

    @contextmanager
    def losing(*ids, **gone):
        with lock_session_of(*ids, **gone) as run:
            count.append(1)
            is_it = len(count) == number
            yield run
            if is_it and where == "within":
                raise OperationalError("the server closed the connection unexpectedly")
        if is_it and where == "after":
            raise OperationalError("the server closed the connection unexpectedly")

    monkeypatch.setattr(transactions, "lock_session_of", losing)
    chat.send("yes")
    chat.wait_for("INPUT_REQUESTED", count=2)
    chat.send("no")
    chat.wait_for("INPUT_REQUESTED", count=3)
    assert len(count) >= number
    assert prompts(chat) == ["Our newsletter, too?", "Cancel all your orders?", "Anything else?"]
    assert printed(chat) == ["'no'"]
    assert list(Event.objects.filter(type="INPUT_REQUESTED").values_list("payload__request", flat=True)) == [
        "1-2",
        "1-2.0",
        "1-3",
    ]
    chat.replayed()
