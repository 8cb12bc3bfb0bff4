"""Files in runs: the journal has references, and a replay sends nothing twice."""

import json

import pytest

import agentchat
from agentchat import ConversableAgent, File, files, llm_config
from agentchat.models import Event, Run, Step, StoredFile
from agentchat.testing import call, files_in, say
from tests.sample_files import png


def clerk():
    return ConversableAgent("clerk", "", llm_config=llm_config(max_retries=0), human_input_mode="NEVER")


def painted(color: str) -> bytes:
    """A picture."""
    return png(color)


def stored_values():
    """All that is recorded and shown, as JSON."""
    values = [*Step.objects.values_list("result", flat=True), *Event.objects.values_list("payload", flat=True)]
    return [json.dumps(each) for each in values]


def test_what_is_sent_is_kept_once_and_found_again_after_a_wait(agent_chat, agent_function):
    made = []

    def sends(iostream):
        iostream.input()
        made.append(len(made))
        sent = iostream.send_file("prices.csv", f"chair,{made[-1]}\n", title="What chairs cost")
        iostream.input("Right?")
        iostream.print(sent.read().decode(), sent.title, sent.content_type)

    chat = agent_chat(agent_function(sends))
    chat.send("Prices?")
    [reference] = chat.wait_for("FILE_SENT")["files"]
    row = StoredFile.objects.get()
    assert (str(row.pk), row.origin, row.session_id) == (reference["id"], "agent", chat.session.pk)
    assert (reference["name"], reference["size"], reference["sha256"]) == ("prices.csv", 8, row.sha256)
    chat.wait_for("INPUT_REQUESTED")
    chat.send("Yes")
    assert chat.wait_for("PRINTED")["text"] == "chair,0\n What chairs cost text/csv\n"
    chat.wait_for("RUN_FINISHED")
    assert len(made) == 2
    assert StoredFile.objects.count() == Event.objects.filter(type="FILE_SENT").count() == 1
    chat.replayed()


def test_a_tools_picture_is_a_card_and_the_model_sees_it_in_later_steps_too(agent_chat, agent_function, scripted_llm):
    def paints(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk(), tools=[painted])
        iostream.input("More?")
        agentchat.reply(iostream, clerk(), tools=[painted])

    scripted_llm.replies(call("painted", color="red"), say("Red."), call("painted", color="blue"), say("Blue."))
    chat = agent_chat(agent_function(paints))
    chat.send("Paint!")
    chat.wait_for("INPUT_REQUESTED")
    chat.send("Another one")
    chat.wait_for("RUN_FINISHED")
    red, blue = [files.read_file(row) for row in StoredFile.objects.order_by("created_at")]
    assert [[file.data for file in files_in(each)] for each in scripted_llm.requests] == [[], [red], [], [blue]]
    assert len([frame for frame in chat.frames if frame["type"] == "FILE_SENT"]) == 2
    assert not any("base64" in each or len(each) > 2_000 for each in stored_values())
    chat.replayed()


def test_a_retried_answer_keeps_what_was_sent_before_it(agent_chat, agent_function, scripted_llm):
    def sends(iostream):
        sent = iostream.send_file("red.png", png())
        iostream.input()
        agentchat.reply(iostream, clerk())
        assert sent.read()

    scripted_llm.replies(say("One."), say("Two."))
    chat = agent_chat(agent_function(sends))
    chat.send("Go")
    chat.wait_for("RUN_FINISHED")
    chat.retry(chat.wait_for("TEXT_MESSAGE_END", content="One.")["messageId"])
    chat.wait_for("TEXT_MESSAGE_END", content="Two.")
    chat.wait_for("RUN_FINISHED", count=2)
    assert StoredFile.objects.count() == 1
    assert Run.objects.filter(status="finished").count() == 2


def test_a_file_that_the_site_does_not_keep_is_an_error_that_a_model_reads(
    agent_chat, agent_function, scripted_llm, settings
):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "MAX_UPLOAD_MB": 1}

    def large() -> bytes:
        """Too much."""
        return b"\0" * 1_000_001

    def sends(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk(), tools=[large])

    scripted_llm.replies(call("large"), say("It is too large."))
    chat = agent_chat(agent_function(sends))
    chat.send("Go")
    result = chat.wait_for("TOOL_CALL_RESULT")
    assert not result["ok"]
    assert "MAX_UPLOAD_MB" in result["content"]
    chat.wait_for("RUN_FINISHED")
    assert not StoredFile.objects.exists()


def test_a_reference_that_was_kept_in_the_state_is_found_by_the_next_run(agent_chat, agent_function, scripted_llm):
    def remembers(iostream):
        iostream.input()
        if "part" not in iostream.state:
            iostream.state["part"] = iostream.send_file("red.png", png()).as_content()
        else:
            clerk().generate([{"role": "user", "content": [iostream.state["part"]]}])

    scripted_llm.replies(say("Red."))
    chat = agent_chat(agent_function(remembers))
    chat.send("Keep it")
    chat.wait_for("RUN_FINISHED")
    chat.send("What was it?")
    chat.wait_for("RUN_FINISHED", count=2)
    assert [file.data for file in files_in(scripted_llm.requests[0])] == [files.read_file(StoredFile.objects.get())]


def test_of_another_chat_no_file_is_found(agent_chat, agent_function):
    found = []

    def sends(iostream):
        iostream.send_file("red.png", png())

    def looks(iostream):
        id_ = str(StoredFile.objects.get().pk)
        found.append(iostream.find_file(f"agentchat-file:{id_}"))
        with pytest.raises(FileNotFoundError):
            iostream.find_file({"id": id_, "name": "red.png", "contentType": "image/png", "size": 1}).read()
        found.append(iostream.find_file("agentchat-file:made-up"))

    for name, function in (("sends", sends), ("looks", looks)):
        chat = agent_chat(agent_function(function, name))
        chat.send("Go")
        assert chat.wait_for("RUN_FINISHED")
    assert found == [None, None]


# --- what users attach -----------------------------------------------------------------------------------------------


@pytest.fixture
def looking(agent_chat, agent_function):
    """A chat whose agent says what is on the pictures that it gets, and asks for more."""

    def looks(iostream):
        while True:
            message = iostream.input().strip()
            iostream.print([file.name for file in message.files], [file.name for file in iostream.files])
            agentchat.reply(iostream, clerk())
            if message == "bye":
                return

    return agent_chat(agent_function(looks, uploads=["image/*", "application/pdf", ".csv"]))


def sent_in(request):
    return [file.data for file in files_in(request)]


def test_what_is_attached_reaches_the_model_now_later_and_in_the_next_run(looking, scripted_llm, settings):
    settings.AGENTCHAT = {**settings.AGENTCHAT, "MAX_BODY_BYTES": 100}  # so that it comes in several parts
    scripted_llm.always(say("I see."))
    looking.send("What is it?", files=[File("red.png", png("red", (40, 40))), File("prices.csv", "chair,40\n")])
    assert looking.wait_for("PRINTED")["text"] == "['red.png', 'prices.csv'] ['red.png', 'prices.csv']\n"
    looking.wait_for("INPUT_REQUESTED")
    looking.send("bye")
    looking.wait_for("RUN_FINISHED")
    looking.send("Remember?")
    looking.wait_for("INPUT_REQUESTED", count=2)
    [picture] = [files.read_file(row) for row in StoredFile.objects.filter(content_type="image/png")]
    assert [sent_in(request) for request in scripted_llm.requests] == [[picture], [picture], [picture]]
    assert all("chair,40" in json.dumps(request) for request in scripted_llm.requests)
    looking.replayed()
    assert not any("base64" in each or len(each) > 2_000 for each in stored_values())


def test_an_edited_message_keeps_its_files_in_its_branch(looking, scripted_llm):
    scripted_llm.replies(say("A square."), say("A red one."))
    looking.send("What is it?", files=[File("red.png", png())])
    asked = looking.wait_for("TEXT_MESSAGE_END", content="What is it?")
    looking.wait_for("INPUT_REQUESTED")
    looking.edit(asked["messageId"], "Which colour?")
    looking.wait_for("TEXT_MESSAGE_END", content="A red one.")
    first, second = scripted_llm.requests
    assert sent_in(first) == sent_in(second) != []
    assert StoredFile.objects.count() == 1


def test_a_message_of_files_alone_is_one(looking, scripted_llm):
    scripted_llm.replies(say("A square."))
    looking.send("", files=[File("red.png", png())])
    looking.wait_for("TEXT_MESSAGE_END", content="A square.")
    assert [part["type"] for part in scripted_llm.requests[0]["messages"][-1]["content"]] == ["image_url"]


def test_a_file_that_was_deleted_meanwhile_is_named_to_the_model(looking, scripted_llm):
    scripted_llm.replies(say("A square."), say("It is gone."))
    looking.send("What is it?", files=[File("red.png", png())])
    looking.wait_for("INPUT_REQUESTED")
    StoredFile.objects.all().delete()
    looking.send("bye")
    looking.wait_for("RUN_FINISHED")
    assert "[File red.png (image/png, " in json.dumps(scripted_llm.requests[1])
    assert "is not there any more" in json.dumps(scripted_llm.requests[1])


def test_the_agent_has_what_was_sent_to_staff_in_the_meantime(
    agent_chat, agent_function, scripted_llm, django_user_model
):
    from django.contrib.auth.models import Group

    joan = django_user_model.objects.create_user("joan")
    joan.groups.add(Group.objects.create(name="care"))

    def hands_over(iostream):
        iostream.input()
        iostream.hand_over(to=agentchat.group("care"))
        agentchat.reply(iostream, clerk())

    scripted_llm.replies(say("A red square."))
    chat = agent_chat(agent_function(hands_over, uploads=["image/*"]))
    chat.send("A person, please")
    chat.wait_for("HANDOVER_REQUESTED")
    chat.take_over(by=joan)
    chat.send("Look!", files=[File("red.png", png())])
    chat.say("I see.", by=joan)
    chat.give_back(by=joan)
    chat.wait_for("RUN_FINISHED")
    assert sent_in(scripted_llm.requests[0]) == [files.read_file(StoredFile.objects.get())]
    chat.replayed()
