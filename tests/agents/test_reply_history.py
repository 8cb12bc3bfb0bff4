"""How much of a chat a model reads when it replies: all, some of the last messages, or a summary of the older ones."""

import json

import pytest

import agentchat
from agentchat import ConversableAgent, llm_config
from agentchat.agents.reply_history import KEPT_MESSAGES, MAX_CHARS, MAX_MESSAGES
from agentchat.core.files import File, MessageText
from agentchat.core.summaries import History, digest_of, keep_together
from agentchat.errors import ConfigError, LLMError
from agentchat.io import IOStream
from agentchat.llm.condensing import MAX_SUMMARY_CHARS, SUMMARY_TASK
from agentchat.models import Event, Step
from agentchat.testing import RecordingStream, fail, say
from tests.factories import account, signed_in

TURNS = MAX_MESSAGES // 2 + 1  # the user's last message makes it too long
LINES = MAX_MESSAGES - 1  # with the messages of two turns, one too many
COVERED = LINES + 2 - KEPT_MESSAGES
ORDER = "My order is 4711, and I am Ada. When does it come?"


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def clerk(**more):
    return ConversableAgent("clerk", "You sell chairs.", llm_config=llm_config(max_retries=0, **more))


def read_by(request):
    return [message["content"] for message in request["messages"] if message["role"] != "system"]


def is_summary(request):
    return request["messages"][0]["content"] == SUMMARY_TASK


def answering(request):
    """A model that counts: what it sums up, and what it answers."""
    if is_summary(request):
        lines = [json.loads(line) for line in request["messages"][1]["content"].splitlines()]
        return say(f"SUMMARY of {len(lines)}: {next(iter(lines[0].values()))[:60]}")
    return say(f"answer to {request['messages'][-1]['content'][:20]}")


# --- without a run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "all", None, "", [2]])
def test_anything_else_is_refused_with_what_to_use(wrong):
    with pytest.raises(ConfigError, match="True, False, a number of messages of at least 1, or 'summary'"):
        agentchat.reply(RecordingStream(), clerk(), history=wrong)


@pytest.mark.parametrize(("history", "read"), [(1, 1), (2, 2), (3, 3), (99, 5), (True, 5), (False, 1)])
def test_a_number_is_how_many_of_the_last_messages_are_read(scripted_llm, history, read):
    scripted_llm.always(say("Fine."))
    stream = RecordingStream("one", "two", "three")
    with IOStream.set_default(stream):
        for last in (True, True, history):
            stream.input()
            agentchat.reply(stream, clerk(), history=last)
    assert read_by(scripted_llm.requests[-1]) == ["one", "Fine.", "two", "Fine.", "three"][-read:]


def test_a_call_and_its_results_are_never_torn_apart():
    called = {"role": "assistant", "content": None, "tool_calls": [{}, {}]}
    messages = [{"role": "user"}, called, {"role": "tool"}, {"role": "tool"}, {"role": "assistant"}]
    assert [keep_together(messages, place) for place in range(6)] == [0, 1, 1, 1, 4, 5]


def test_a_short_chat_is_told_as_it_is(scripted_llm):
    scripted_llm.always(say("Fine."))
    stream = RecordingStream(*"ab")
    with IOStream.set_default(stream):
        for _ in "ab":
            stream.input()
            agentchat.reply(stream, clerk(), history="summary")
    assert read_by(scripted_llm.requests[-1]) == ["a", "Fine.", "b"]


def test_a_summary_is_made_of_a_summary_and_what_came_since(scripted_llm):
    scripted_llm.always(answering)
    turns = 3 * TURNS
    stream = RecordingStream(ORDER, *(f"question {n}" for n in range(1, turns)))
    with IOStream.set_default(stream):
        for _ in range(turns):
            stream.input()
            agentchat.reply(stream, clerk(), history="summary")
    summaries = [request for request in scripted_llm.requests if is_summary(request)]
    first, second, *_ = (request["messages"][1]["content"].splitlines() for request in summaries)
    assert json.loads(first[0]) == {"user": ORDER}
    assert json.loads(second[0])["summary"].startswith("SUMMARY of ")
    assert all(
        len(read_by(request)) <= MAX_MESSAGES + 1 for request in scripted_llm.requests if not is_summary(request)
    )
    told = read_by(scripted_llm.requests[-1])
    assert told[0].startswith("[Instead of the first ")
    assert told[-1] == f"question {turns - 1}"
    covered = int(told[0].split("first ")[1].split()[0])
    assert covered + len(told) - 1 == 2 * turns - 1  # nothing is missing, and nothing is there twice


def test_a_long_message_is_summed_up_in_pieces_and_the_answer_is_bounded(scripted_llm):
    scripted_llm.always(lambda request: say("x" * 50_000) if is_summary(request) else say("Fine."))
    text = "".join(f"{n:07} " for n in range(10 * MAX_CHARS // 8))
    stream = RecordingStream(text, "And now?")
    with IOStream.set_default(stream):
        stream.input()
        agentchat.reply(stream, clerk())
        for _ in range(KEPT_MESSAGES):
            stream.remember("assistant", "Well.")
        stream.input()
        agentchat.reply(stream, clerk(), history="summary")
    lines = [
        json.loads(line)
        for request in scripted_llm.requests
        if is_summary(request)
        for line in request["messages"][1]["content"].splitlines()
    ]
    assert "".join(each["user"] for each in lines if "user" in each) == text
    assert len(read_by(scripted_llm.requests[-1])[0]) < MAX_SUMMARY_CHARS + 200


def test_of_older_files_the_names_are_summed_up(scripted_llm):
    scripted_llm.always(answering)
    stream = RecordingStream(*map(str, range(TURNS)))
    stream.remember("user", MessageText("", [File("plan.pdf", b"%PDF-1.7 x")]))
    with IOStream.set_default(stream):
        for _ in range(TURNS):
            stream.input()
            agentchat.reply(stream, clerk(), history="summary")
    [request] = filter(is_summary, scripted_llm.requests)
    first = json.loads(request["messages"][1]["content"].splitlines()[0])
    assert first == {"user": "[File plan.pdf (application/pdf, 10 bytes)]"}


def test_no_summary_and_nothing_is_left_out(scripted_llm):
    scripted_llm.always(lambda request: say(" ") if is_summary(request) else say("Fine."))
    stream = RecordingStream(*map(str, range(TURNS)))
    with IOStream.set_default(stream):
        for _ in range(TURNS):
            stream.input()
            agentchat.reply(stream, clerk(), history="summary")
    assert len(read_by(scripted_llm.requests[-1])) == 2 * TURNS - 1


def test_a_summary_is_a_text_whatever_form_the_answers_of_the_agent_have(scripted_llm):
    scripted_llm.always(answering)
    stream = RecordingStream(*map(str, range(TURNS)))
    with IOStream.set_default(stream):
        for _ in range(TURNS):
            stream.input()
            agentchat.reply(stream, clerk(response_format={"type": "json_object"}), [add], history="summary")
    [request] = filter(is_summary, scripted_llm.requests)
    assert {"tools", "response_format"}.isdisjoint(request)
    assert "response_format" in scripted_llm.requests[-1]


def test_where_a_summary_ends_is_found_by_what_follows():
    said = [{"role": "user", "content": text} for text in ("a", "yes", "b", "yes", "c")]
    history = History(said)
    history.note({"summary": "S", "messages": 1, "kept": 4, "first": digest_of(said[1])})
    assert (history.summary.text, history.summary.messages) == ("S", 1)
    longer = History([*said, {"role": "user", "content": "not read yet"}])
    longer.note({"summary": "S", "messages": 3, "kept": 2, "first": digest_of(said[3])})
    assert longer.summary.messages == 3
    longer.note({"summary": "T", "messages": 3, "kept": 2, "first": "unknown"})
    assert longer.summary.text == "S"


# --- in runs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(agent_function, agent_chat, scripted_llm):
    """A chat with a long first run, and a second one, whose answer has needed a summary."""

    def shop(iostream):
        if iostream.input() == ORDER:
            for n in range(LINES):
                iostream.post(f"line {n}")
        else:
            agentchat.reply(iostream, clerk(), history="summary")

    scripted_llm.always(answering)
    chat = agent_chat(agent_function(shop), user=account("ada"))
    say_all(chat, [ORDER, "question 1"])
    return chat


def say_all(chat, texts):
    done = sum(frame["type"] == "RUN_FINISHED" for frame in chat.frames)
    for count, text in enumerate(texts, done + 1):
        chat.send(text)
        chat.wait_for("RUN_FINISHED", count=count)


@pytest.mark.django_db(transaction=True)
def test_the_next_runs_go_on_with_a_summary_and_it_is_a_step_that_is_replayed(shop, scripted_llm):
    summary = shop.wait_for("HISTORY_SUMMARIZED")
    assert summary["messages"] == COVERED
    assert Step.objects.filter(run__session=shop.session, kind="llm", name="summary").count() == 1
    say_all(shop, ["And then?", "Thanks"])
    assert sum(map(is_summary, scripted_llm.requests)) == 1
    told = read_by(scripted_llm.requests[-1])
    assert (
        told[0]
        == f"[Instead of the first {summary['messages']} messages of this chat, a summary:]\n\n{summary['summary']}"
    )
    assert len(told) == 1 + KEPT_MESSAGES + 4
    shop.replayed()


@pytest.mark.django_db(transaction=True)
def test_another_answer_is_told_the_same_summary_and_an_older_branch_none(shop, scripted_llm):
    answer = [frame for frame in shop.frames if frame["type"] == "TEXT_MESSAGE_END"][-1]["messageId"]
    shop.retry(answer)
    shop.wait_for("RUN_FINISHED", count=3)
    assert sum(map(is_summary, scripted_llm.requests)) == 1
    assert read_by(scripted_llm.requests[-1]) == read_by(scripted_llm.requests[-2])
    first = next(frame for frame in shop.frames if frame["type"] == "TEXT_MESSAGE_END")
    shop.edit(first["messageId"], "another question")
    shop.wait_for("RUN_FINISHED", count=4)
    assert read_by(scripted_llm.requests[-1]) == ["another question"]
    shop.replayed()


@pytest.mark.django_db(transaction=True)
def test_what_the_model_was_told_stands_on_the_page_and_in_exports_and_in_no_shared_chat(shop, client, scripted_llm):
    event = Event.objects.get(type="HISTORY_SUMMARIZED")
    Event.objects.filter(pk=event.pk).update(payload={**event.payload, "summary": "<b>4711</b> & **Ada**"})
    browser = signed_in(shop.session.owner)
    page = browser.get(f"/chat/{shop.session.pk}/").content.decode()
    note = page[page.index("summary-note") :][:600]
    assert "The agent now reads a summary of 17 earlier messages" in note
    assert "<strong>Ada</strong>" in note
    assert "<b>" not in note
    text = "".join(map(bytes.decode, browser.get(f"/chat/{shop.session.pk}/export.md")))
    assert "> <details><summary>The agent now reads a summary of 17 earlier messages</summary>" in text
    browser.post(f"/chat/{shop.session.pk}/share/")
    shared = "".join(map(bytes.decode, client.get(f"/share/{shop.session.shares.get().token}/")))
    assert "line 2" in shared
    assert "4711</b>" not in shared
    assert "summary-note" not in shared


@pytest.mark.django_db(transaction=True)
def test_a_summary_that_cannot_be_made_is_an_error_of_the_model(agent_function, agent_chat, scripted_llm):
    def shop(iostream):
        for n in range(TURNS + 8):
            iostream.remember("user", str(n))
            iostream.remember("assistant", str(n))
        iostream.input()
        with pytest.raises(LLMError):
            agentchat.reply(iostream, clerk(), history="summary")
        iostream.post("Later, please.")

    scripted_llm.replies(fail(400))
    chat = agent_chat(agent_function(shop))
    chat.send("Hello")
    chat.wait_for("RUN_FINISHED")
    assert [text for _, text in chat.said] == ["Hello", "Later, please."]
    chat.replayed()
