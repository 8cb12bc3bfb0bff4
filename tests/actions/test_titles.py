"""Titles by a model: after the first answer, once, never over a user's, and never at the cost of the chat."""

import json

import pytest

import agentchat
from agentchat import ConversableAgent, llm_config
from agentchat.actions import chats as actions
from agentchat.actions import titles
from agentchat.infra import moments
from agentchat.llm.condensing import TITLE_TASK, title_in
from agentchat.models import ChatSession, ClientThread, Event, OutboxItem
from agentchat.realtime import chat_list
from agentchat.runs import supervisor
from agentchat.testing import fail, say

pytestmark = pytest.mark.django_db(transaction=True)

QUESTION = "Where is my order 4711? I have been waiting for it since Monday, and nobody answers the phone"


@pytest.fixture(autouse=True)
def site(settings, monkeypatch):
    """Nothing is made but what a test makes."""
    settings.AGENTCHAT = {"TITLES": "model"}
    monkeypatch.setattr(supervisor, "CHORES", [])


@pytest.fixture
def desk(agent_function, agent_chat, scripted_llm):
    """A chat whose first message has its answer."""

    def answers(iostream):
        agent = ConversableAgent("clerk", llm_config=llm_config(max_retries=0))
        while True:
            iostream.input()
            agentchat.reply(iostream, agent)

    scripted_llm.replies(say("It left on Tuesday."))
    chat = agent_chat(agent_function(answers))
    chat.send(QUESTION)
    chat.wait_for("INPUT_REQUESTED", count=1)
    return chat


def make():
    """As the supervisor has it done, in that thread."""
    titles._POOL.submit(titles.make_all).result(20)


def title_of(chat):
    return ChatSession.objects.values_list("title", "title_by").get(pk=chat.session.pk)


def overdue():
    OutboxItem.objects.update(due_at=moments.now())


def test_a_chat_is_named_after_its_first_answer_and_its_list_learns_of_it(desk, scripted_llm, monkeypatch):
    notified = []
    monkeypatch.setattr(chat_list, "notify_owner_of", notified.append)
    before = ChatSession.objects.get(pk=desk.session.pk).updated_at
    assert title_of(desk)[0].startswith("Where is my order 4711?")
    scripted_llm.replies(say('**Title: "Order 4711".**'))
    make()
    assert title_of(desk) == ("Order 4711", "model")
    assert notified == [desk.session.pk]
    assert ChatSession.objects.get(pk=desk.session.pk).updated_at == before  # it keeps its place in the list
    request = scripted_llm.requests[-1]
    assert request["messages"][0] == {"role": "system", "content": TITLE_TASK}
    assert list(map(json.loads, request["messages"][1]["content"].splitlines())) == [
        {"user": QUESTION},
        {"assistant": "It left on Tuesday."},
    ]
    assert not OutboxItem.objects.exists()


def test_what_it_costs_is_counted_with_the_run_and_no_step_is_made(desk, scripted_llm, settings):
    run = desk.session.runs.get()
    steps = run.steps.count()
    settings.AGENTCHAT = {"TITLES": "model", "LLM": [{**llm_config()["config_list"][0], "price": [1, 2]}]}
    answer = say("Order 4711")
    answer.usage = (50, 3)
    scripted_llm.replies(answer)
    make()
    after = desk.session.runs.get()
    assert (after.prompt_tokens - run.prompt_tokens, after.completion_tokens - run.completion_tokens) == (50, 3)
    assert run.steps.count() == steps
    desk.replayed()


def test_a_title_of_the_user_is_never_replaced(desk, scripted_llm):
    answer = say("Order 4711").paused()
    scripted_llm.replies(answer)
    making = titles._POOL.submit(titles.make_all)
    answer.wait_until_paused()
    actions.rename(desk.session.pk, desk.visitor, "Mine")
    answer.release()
    making.result(20)
    assert title_of(desk) == ("Mine", "user")
    scripted_llm.replies(say("Fine."))
    desk.send("Thanks")
    desk.wait_for("INPUT_REQUESTED", count=2)
    assert not OutboxItem.objects.exists()


def test_a_title_that_was_given_before_it_was_known_who_gave_it_stays(desk):
    ChatSession.objects.update(title="Mine")
    make()
    assert title_of(desk) == ("Mine", "user")


def test_a_message_of_files_alone_is_their_names(desk, scripted_llm):
    said = Event.objects.filter(type="TEXT_MESSAGE_END").order_by("seq").first()
    file = {"id": "1", "name": "plan.pdf", "contentType": "application/pdf", "size": 1, "sha256": ""}
    Event.objects.filter(pk=said.pk).update(payload={**said.payload, "content": "", "files": [file]})
    ChatSession.objects.update(title="plan.pdf")  # as a message of files alone is sent
    scripted_llm.replies(say("A plan"))
    make()
    assert title_of(desk) == ("A plan", "model")
    assert json.loads(scripted_llm.requests[-1]["messages"][1]["content"].splitlines()[0]) == {"user": "plan.pdf"}


def test_a_chat_of_a_program_costs_no_title(desk):
    ClientThread.objects.create(session_id=desk.session.pk, history="", request="")
    make()
    assert title_of(desk)[1] == "message"
    assert not OutboxItem.objects.exists()


def test_a_later_answer_names_nothing(desk, scripted_llm):
    scripted_llm.replies(say("Order 4711"))
    make()
    scripted_llm.replies(say("Fine."))
    desk.send("Thanks")
    desk.wait_for("INPUT_REQUESTED", count=2)
    assert not OutboxItem.objects.exists()


def test_failures_are_logged_and_tried_again_until_the_first_message_stays(desk, scripted_llm, caplog):
    for attempt in range(1, titles.MAX_ATTEMPTS + 1):
        scripted_llm.replies(fail(500))
        overdue()
        make()
        assert OutboxItem.objects.count() == (attempt < titles.MAX_ATTEMPTS)
    assert title_of(desk) == (QUESTION[:79].rstrip() + "…", "message")
    assert [record.levelname for record in caplog.records if "got no title" in record.message] == ["WARNING"] * 3
    assert desk.frames[-1]["type"] == "INPUT_REQUESTED"  # the chat has noticed nothing


@pytest.mark.parametrize("answer", ["", "\n \n", "***", "\u202e"])
def test_an_answer_without_a_title_leaves_the_first_message(desk, scripted_llm, answer):
    scripted_llm.replies(say(answer))
    make()
    assert title_of(desk)[1] == "message"
    assert title_of(desk)[0].startswith("Where is my order")


def test_where_it_is_off_nothing_is_asked_for(settings, desk):
    OutboxItem.objects.all().delete()
    settings.AGENTCHAT = {}
    titles.make_due()
    assert title_of(desk)[1] == ""
    assert titles._POOL.busy == 0


def test_a_chat_without_an_answer_waits_for_one(agent_function, agent_chat, scripted_llm):
    def asks(iostream):
        iostream.input()
        iostream.input("Which one?")
        iostream.post("That one.")

    chat = agent_chat(agent_function(asks))
    chat.send("Hello")
    chat.wait_for("INPUT_REQUESTED")
    make()
    assert title_of(chat) == ("Hello", "")
    chat.send("The first")
    chat.wait_for("RUN_FINISHED")
    scripted_llm.replies(say("A choice"))
    make()
    assert title_of(chat) == ("A choice", "model")


def test_a_deleted_chat_gets_none(desk):
    actions.delete(desk.session.pk, desk.visitor)
    make()
    assert not OutboxItem.objects.exists()


def test_two_processes_make_one_title(desk, scripted_llm):
    answer = say("Order 4711").paused()
    scripted_llm.replies(answer)
    making = titles._POOL.submit(titles.make_all)
    answer.wait_until_paused()
    assert titles._take() is None  # another process finds nothing to do
    answer.release()
    making.result(20)
    assert title_of(desk)[0] == "Order 4711"


@pytest.mark.parametrize(
    ("answer", "title"),
    [
        ("# Lost luggage", "Lost luggage"),
        ("\n«Titel: Verlorener Koffer.»", "Verlorener Koffer"),
        ("العنوان: حقيبة مفقودة", "حقيبة مفقودة"),
        ("a\u202eb\x00c\nsecond line", "a b c"),
        ("word " * 40, "word " * 15 + "word…"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),  # a text, which pages escape
    ],
)
def test_a_title_is_one_short_line_of_plain_text(answer, title):
    assert title_in(answer) == title
