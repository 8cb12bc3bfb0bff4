"""Files in requests: as the parts that a service takes, in each dialect, or as text; learned of each service."""

import copy
import logging

import pytest

from agentchat.agents.file_messages import with_file_parts
from agentchat.core.files import File, MessageText
from agentchat.llm import file_parts
from agentchat.llm.file_parts import FileLimits
from agentchat.llm.profiles import PROFILES
from agentchat.testing import fail, files_in, say
from tests.sample_files import pdf, png, wav

IMAGE, SOUND, PAPER = File("red.png", png()), File("hello.wav", wav()), File("plan.pdf", pdf("Four chairs"))
TABLE = File("prices.csv", "chair,40\ntable,90\n")


@pytest.fixture
def asked(scripted_llm, ask):
    """Ask about files; return the request that was answered."""

    def asked(*files, text="What is it?", messages=(), **entry):
        said, found = with_file_parts(
            [*messages, {"role": "user", "content": MessageText(text, files)}], lambda _: None
        )
        config = {"config_list": [{**scripted_llm.config_list[0], "max_retries": 0, **entry}]}
        asked.response = ask(config, messages=said, files=found)
        return scripted_llm.requests[-1]

    return asked


def text_in(request):
    content = (request.get("messages") or request.get("input"))[-1]["content"]
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def test_each_kind_is_a_part_of_its_own_in_the_chat_api(scripted_llm, asked):
    scripted_llm.always(say("Red."))
    request = asked(IMAGE, SOUND, PAPER)
    assert [part["type"] for part in request["messages"][-1]["content"]] == ["text", "image_url", "input_audio", "file"]
    image, sound, paper = files_in(request)
    assert (image.content_type, image.data) == ("image/png", IMAGE.read())
    assert (sound.content_type, sound.data) == ("audio/wav", SOUND.read())
    assert (paper.name, paper.content_type, paper.data) == ("plan.pdf", "application/pdf", PAPER.read())


def test_and_in_the_responses_api_which_has_no_audio(scripted_llm, asked):
    scripted_llm.always(say("Red."))
    request = asked(IMAGE, PAPER, SOUND, api="responses")
    assert [part["type"] for part in request["input"][-1]["content"]] == [
        *("input_text", "input_image", "input_file", "input_text")
    ]
    assert [file.data for file in files_in(request)] == [IMAGE.read(), PAPER.read()]
    assert "hello.wav (audio/" in text_in(request)
    assert "takes no recordings" in text_in(request)


def test_a_text_is_read_as_text(scripted_llm, asked):
    scripted_llm.always(say("40."))
    content = asked(TABLE)["messages"][-1]["content"]
    assert content == (
        "What is it?\n\n[The text of file prices.csv (text/csv, 18 bytes)]\nchair,40\ntable,90\n\n"
        "[The end of file prices.csv]"
    )


REFUSALS = {
    "openai": (400, "Invalid content type. image_url is only supported by certain models.", {"image"}),
    "deepseek": (400, "Failed to deserialize: messages[0]: unknown variant `image_url`, expected `text`", {"image"}),
    "llama.cpp": (500, "image input is not supported - hint: you may need to provide the mmproj", {"image"}),
    "openrouter": (404, "No endpoints found that support image input", {"image"}),
    "vllm": (400, "At most 0 image(s) may be provided in one prompt.", {"image"}),
    "azure": (400, "Invalid value: 'file'. Supported values are: 'text', 'image_url', 'input_audio'", None),
    "groq": (400, "messages[0].content must be a string", {"image", "file", "audio"}),
    "audio": (400, "This model does not support audio inputs", {"audio"}),
}


@pytest.mark.parametrize("service", REFUSALS)
def test_what_a_service_refuses_is_sent_as_text_from_then_on(scripted_llm, asked, service):
    status, words, refused = REFUSALS[service]

    def answer(request):
        kinds = {"image_url": "image", "file": "file", "input_audio": "audio"}
        sent = {kinds[file.kind] for file in files_in(request)}
        return fail(status, words) if sent & (refused or {"file"}) else say("I see.")

    scripted_llm.always(answer)
    request = asked(IMAGE, SOUND, PAPER)
    assert asked.response.content == "I see."
    assert "red.png" in text_in(request) or "image" not in (refused or ())
    before = len(scripted_llm.requests)
    again = asked(IMAGE, SOUND, PAPER)
    assert len(scripted_llm.requests) == before + 1
    assert again == request


def test_a_pdf_that_is_not_taken_is_sent_as_its_text(scripted_llm, asked):
    scripted_llm.always(
        lambda request: fail(400, "file parts are not supported") if files_in(request) else say("Four.")
    )
    assert "[The text of file plan.pdf (application/pdf" in text_in(asked(PAPER))
    assert "Four chairs" in text_in(scripted_llm.requests[-1])


def test_a_file_that_cannot_be_read_teaches_nothing_about_its_kind(scripted_llm, asked):
    scripted_llm.replies(
        fail(400, "You uploaded an unsupported image. Use a valid one."), say("I cannot see it."), say("Red.")
    )
    assert not files_in(asked(IMAGE))
    assert files_in(asked(IMAGE))


def test_other_refusals_are_what_they_were(scripted_llm, asked):
    scripted_llm.replies(
        fail(400, "Unsupported parameter: 'temperature' is not supported with this model"), say("Red.")
    )
    with pytest.raises(Exception, match="temperature"):
        asked(IMAGE, temperature=2)
    assert files_in(asked(IMAGE))


def test_a_strict_service_gets_text_alone():
    assert PROFILES["strict"].media == PROFILES["deepseek"].media == frozenset()


def test_a_file_beyond_the_limit_is_named_with_the_limit(scripted_llm, asked, monkeypatch, caplog):
    scripted_llm.always(say("It is too large."))
    monkeypatch.setattr(file_parts, "file_limits", lambda: FileLimits(file=10))
    with caplog.at_level(logging.WARNING, "agentchat.llm"):
        text = text_in(asked(IMAGE))
    assert f"[File red.png (image/png, {IMAGE.size} bytes) is too large for you to read: a file may have" in text
    assert "red.png of" in caplog.text


def test_the_newest_files_go_first_where_all_are_too_much(scripted_llm, asked, monkeypatch):
    scripted_llm.always(say("Blue."))
    blue = File("blue.png", png("blue"))
    monkeypatch.setattr(file_parts, "file_limits", lambda: FileLimits(request=max(blue.size, IMAGE.size) + 5))
    request = asked(blue, messages=[{"role": "user", "content": MessageText("First", [IMAGE])}])
    assert [file.data for file in files_in(request)] == [blue.read()]
    assert "red.png" in request["messages"][0]["content"]
    assert "is not attached: " in request["messages"][0]["content"]


def test_a_file_that_is_gone_is_named(scripted_llm, asked):
    def gone():
        raise FileNotFoundError("purged")

    scripted_llm.always(say("It is gone."))
    assert "is not there any more" in text_in(asked(File.stored(IMAGE.reference(), gone)))


def test_neither_the_log_nor_an_error_has_the_bytes(scripted_llm, asked, caplog):
    large = File("large.png", png(size=(40, 40)))
    scripted_llm.always(lambda request: fail(400, f"bad temperature in {request['messages']}"))
    with caplog.at_level(logging.DEBUG), pytest.raises(Exception, match="bad temperature") as raised:
        asked(large)
    data = files_in(scripted_llm.requests[0])[0].data
    import base64

    encoded = base64.b64encode(data).decode()[:80]
    for text in (caplog.text, str(raised.value), str(raised.value.origin)):
        assert encoded not in text


def test_a_cached_answer_is_one_to_the_same_contents(scripted_llm, ask, tmp_path):
    from agentchat import Cache

    scripted_llm.replies(say("Red."), say("Blue."))

    def about(*files):
        said, found = with_file_parts([{"role": "user", "content": MessageText("Which?", files)}], lambda _: None)
        with Cache.disk(1, tmp_path) as cache:
            return ask(scripted_llm.llm_config(), messages=said, files=found, cache=cache).content

    same = File.stored({**IMAGE.reference(), "id": "another"}, IMAGE.open)
    assert [about(IMAGE), about(same), about(File("red.png", png("blue")))] == ["Red.", "Red.", "Blue."]


def test_a_history_can_be_copied():
    said = [{"role": "user", "content": [IMAGE.as_content()]}, {"role": "user", "content": MessageText("x", [IMAGE])}]
    copied, found = with_file_parts(copy.deepcopy(said), lambda _: None)
    assert list(found.values()) == [IMAGE]
    assert len(copied[1]["content"]) == 2
