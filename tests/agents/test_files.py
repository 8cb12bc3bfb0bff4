"""Files of an agent function: what came with a message, what it sends, what its tools return."""

import io

import pytest
from PIL import Image

import agentchat
from agentchat import ConversableAgent, File, GroupChat, GroupChatManager, UserProxyAgent, llm_config, register_function
from agentchat.core.file_events import FileSent
from agentchat.core.files import MessageText
from agentchat.errors import ConfigError
from agentchat.events import TextMessage, ToolCallResult
from agentchat.io import IOConsole, IOStream
from agentchat.testing import RecordingStream, call, files_in, say
from tests.sample_files import pdf, png

RED, PAPER = File("red.png", png()), File("plan.pdf", pdf("Four chairs"))


def clerk(**more):
    return ConversableAgent("clerk", "", llm_config=llm_config(max_retries=0), human_input_mode="NEVER", **more)


@pytest.fixture
def on_stream():
    def run(function, *answers):
        stream = RecordingStream(*answers)
        with IOStream.set_default(stream):
            function(stream)
        return stream

    return run


# --- what came with a message ----------------------------------------------------------------------------------------


def test_a_message_is_a_text_with_files(on_stream):
    def looks(iostream):
        message = iostream.input()
        assert isinstance(message, str)
        assert message == "  What is it? "
        [file] = message.files
        assert (file.name, file.content_type, file.size) == ("red.png", "image/png", len(png()))
        assert file.read() == png()
        with file.open() as contents:
            assert contents.read(4) == b"\x89PNG"
        assert message.strip().files == ("Look: " + message + "!").files == iostream.files == (file,)
        assert iostream.input().files == iostream.files == ()

    on_stream(looks, ("  What is it? ", [RED]), "Nothing more")


def test_a_reply_has_them_even_if_the_text_was_stripped_and_the_next_one_still(scripted_llm, on_stream):
    def looks(iostream):
        for _ in range(2):
            iostream.input().strip()
            agentchat.reply(iostream, clerk())

    scripted_llm.replies(say("A red square."), say("Still red."))
    on_stream(looks, ("What is it?", [RED]), "And now?")
    first, second = scripted_llm.requests
    assert [file.data for file in files_in(first)] == [file.data for file in files_in(second)] == [RED.read()]
    assert second["messages"][-1]["content"] == "And now?"


@pytest.mark.parametrize("as_parts", [False, True])
def test_a_classic_chat_has_them(scripted_llm, on_stream, as_parts):
    def chats(iostream):
        message = iostream.input()
        if as_parts:
            message = {"content": [{"type": "text", "text": str(message)}, *(f.as_content() for f in iostream.files)]}
        user = UserProxyAgent("user", human_input_mode="NEVER", llm_config=False)
        user.initiate_chat(clerk(), message=message, max_turns=1)

    scripted_llm.replies(say("A plan."))
    stream = on_stream(chats, ("What are they?", [RED, PAPER]))
    assert [file.data for file in files_in(scripted_llm.requests[0])] == [RED.read(), PAPER.read()]
    [asked] = stream.events_of(TextMessage)
    assert asked.content == "What are they?"


def test_files_without_a_text_are_a_message(scripted_llm, on_stream):
    def looks(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk())

    scripted_llm.replies(say("A red square."))
    on_stream(looks, ("", [RED]))
    assert [part["type"] for part in scripted_llm.requests[0]["messages"][-1]["content"]] == ["image_url"]


# --- what is sent ----------------------------------------------------------------------------------------------------


def test_what_is_sent_is_an_event_without_bytes(on_stream):
    def sends(iostream):
        sent = iostream.send_file("prices.csv", "chair,40\n", title="What chairs cost")
        assert (sent.content_type, sent.read()) == ("text/csv", b"chair,40\n")
        iostream.send_file("red", Image.new("RGB", (2, 2), "red"))
        iostream.send_file("copy.png", RED)

    stream = on_stream(sends)
    first, second, third = stream.events_of(FileSent)
    assert (first.name, first.files[0]["name"], first.files[0]["title"]) == ("agent", "prices.csv", "What chairs cost")
    assert second.files[0]["contentType"] == third.files[0]["contentType"] == "image/png"
    assert not any(isinstance(value, bytes) for value in first.files[0].values())
    assert stream.sent_files[2].read() == RED.read()


def test_what_is_no_file_is_an_error(on_stream):
    with pytest.raises(ConfigError, match="a file cannot be made of 17"):
        on_stream(lambda iostream: iostream.send_file("x.txt", 17))
    with pytest.raises(ConfigError, match="needs a name"):
        on_stream(lambda iostream: iostream.send_file("", b"x"))


def test_a_console_saves_what_is_sent_and_attaches_files_of_this_machine(monkeypatch, capsys, tmp_path):
    path = tmp_path / "my picture.png"
    path.write_bytes(png())
    lines = iter([f"/file {path}", "/file not there", "What is it?"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
    stream = IOConsole()
    assert stream.input() == "/file not there"  # nothing to attach, so it is a message
    [file] = stream.files
    assert (file.name, file.read()) == ("my picture.png", png())
    stream.send_file("../../prices.csv", "chair,40\n")
    saved = capsys.readouterr().out.splitlines()[-1].rpartition(": ")[2]
    assert saved.endswith("/prices.csv")
    with open(saved) as contents:
        assert contents.read() == "chair,40\n"


# --- what tools return -----------------------------------------------------------------------------------------------


def square(color: str) -> Image.Image:
    """A picture."""
    return Image.new("RGB", (3, 3), color)


def report() -> list:
    """A report, with its table."""
    return ["Chairs sell best.", File("sales.csv", "chair,9\n"), b"%PDF-1.4 ..."]


def test_the_model_sees_a_picture_after_the_result_and_the_user_a_card(scripted_llm, on_stream):
    def draws(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk(), tools=[square])

    scripted_llm.replies(call("square", color="red").and_call("square", color="blue"), say("Two squares."))
    stream = on_stream(draws, "Draw!")
    messages = scripted_llm.requests[1]["messages"]
    assert [message["role"] for message in messages[-4:]] == ["assistant", "tool", "tool", "user"]
    assert messages[-3]["content"].startswith("[File square.png (image/png, ")
    assert [Image.open(io.BytesIO(file.data)).getpixel((0, 0)) for file in files_in(scripted_llm.requests[1])] == [
        (255, 0, 0),
        (0, 0, 255),
    ]
    assert [file.name for file in stream.sent_files] == ["square.png", "square.png"]
    assert "[File square.png" in stream.events_of(ToolCallResult)[0].content


def test_of_other_files_the_model_reads_the_names(scripted_llm, on_stream):
    def reports(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk(), tools=[report])

    scripted_llm.replies(call("report"), say("Chairs."))
    stream = on_stream(reports, "Report!")
    content = scripted_llm.requests[1]["messages"][-1]["content"]
    assert content.startswith("Chairs sell best.\n[File sales.csv (text/csv, 8 bytes)]")
    assert "[File report-3.pdf (application/pdf" in content
    assert [file.name for file in stream.sent_files] == ["sales.csv", "report-3.pdf"]


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_in_a_classic_chat_too(scripted_llm, on_stream, api):
    def draws(iostream):
        entry = {**scripted_llm.config_list[0], "max_retries": 0, "api": api}
        agent = ConversableAgent("clerk", "", llm_config={"config_list": [entry]}, human_input_mode="NEVER")
        user = UserProxyAgent("user", human_input_mode="NEVER", llm_config=False)
        register_function(square, caller=agent, executor=user, description="A picture")
        user.initiate_chat(agent, message="Draw!", max_turns=2)

    scripted_llm.replies(call("square", color="red"), say("A square."))
    stream = on_stream(draws)
    assert len(files_in(scripted_llm.requests[1])) == 1
    assert [file.name for file in stream.sent_files] == ["square.png"]


def test_a_chart_is_a_picture_with_its_title(scripted_llm, on_stream):
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    def chart():
        """What sells."""
        figure = Figure()
        figure.subplots().plot([1, 2])
        figure.suptitle("Chairs sold")
        return figure

    def draws(iostream):
        iostream.input()
        agentchat.reply(iostream, clerk(), tools=[chart])

    scripted_llm.replies(call("chart"), say("More and more."))
    [file] = on_stream(draws, "Draw!").sent_files
    assert (file.name, file.title, file.content_type) == ("chart.png", "Chairs sold", "image/png")
    assert ": Chairs sold]" in scripted_llm.requests[1]["messages"][-2]["content"]


def test_a_text_keeps_its_files_as_a_value():
    message = MessageText("Look", [RED])
    assert message == "Look"
    assert {message: 1}["Look"] == 1
    assert f"{message}" == "Look"


def test_everybody_in_a_group_chat_sees_them(scripted_llm, on_stream):
    def meets(iostream):
        first, second = (
            ConversableAgent(name, "", llm_config=llm_config(max_retries=0), human_input_mode="NEVER")
            for name in ("first", "second")
        )
        user = UserProxyAgent("user", human_input_mode="NEVER", llm_config=False)
        group = GroupChat([user, first, second], max_round=3, speaker_selection_method="round_robin")
        user.initiate_chat(GroupChatManager(group), message=iostream.input())

    scripted_llm.replies(say("Red."), say("A square."))
    on_stream(meets, ("What is it?", [RED]))
    assert [[file.data for file in files_in(request)] for request in scripted_llm.requests] == 2 * [[RED.read()]]
