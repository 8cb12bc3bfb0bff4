"""The tools that our own tests and other people's tests stand on."""

import asyncio
import http.client
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import translation

from agentchat import group
from agentchat.errors import LLMStreamTruncated
from agentchat.events import RunStarted, TextMessage, TextMessageContent, TextMessageEnd
from agentchat.io import InputStream, IOStream, OutputStream
from agentchat.llm import config
from agentchat.llm.client import complete
from agentchat.llm.config import llm_config
from agentchat.testing import RecordingStream, ScriptedLLM, call, cut, fail, hang, say
from agentchat.testing.runs import AgentChat, running_server

ROOT = Path(__file__).parents[1]
HELLO = [{"role": "user", "content": "Hello"}]


def ask(models=None, messages=HELLO, on_delta=lambda delta: None):
    return asyncio.run(complete(models or llm_config(), messages, on_delta=on_delta))


def post(llm, body):
    """Ask without the SDK; return the open response and its connection."""
    connection = http.client.HTTPConnection("127.0.0.1", int(llm.base_url.rsplit(":", 1)[1].split("/")[0]))
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    return connection


# --- the scripted LLM -------------------------------------------------------------------------------------------------


def test_the_fixture_is_found_by_llm_config(scripted_llm):
    scripted_llm.replies(say("Hi"))
    assert llm_config() == scripted_llm.llm_config()
    assert ask().content == "Hi"


def test_a_proxy_or_a_model_in_the_settings_does_not_come_before_it(monkeypatch, request):
    monkeypatch.setattr(config, "_source", lambda: [{"model": "real", "api_key": "sk-real"}])
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    scripted_llm = request.getfixturevalue("scripted_llm")
    scripted_llm.replies(say("Hi"))
    assert ask().content == "Hi"


def test_another_process_finds_it_too(scripted_llm):
    scripted_llm.replies(say("Hello from afar"))
    code = (
        "import asyncio; from agentchat.llm.client import complete; from agentchat import llm_config\n"
        "print(asyncio.run(complete(llm_config(), [], on_delta=lambda delta: None)).content)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert run.stdout == "Hello from afar\n"


def test_replies_come_in_their_order_and_then_the_one_for_always(scripted_llm):
    scripted_llm.replies(say("one"), say("two"))
    scripted_llm.always(say("again"))
    assert [ask().content for _ in range(4)] == ["one", "two", "again", "again"]


def test_a_function_may_answer(scripted_llm):
    scripted_llm.replies(lambda request: say(request["messages"][-1]["content"].upper()))
    assert ask().content == "HELLO"


def test_a_request_that_nothing_is_written_for_fails_the_test():
    with pytest.raises(AssertionError, match=r"nothing is written for request 1: .*Hello"):  # noqa: PT012, SIM117
        with ScriptedLLM() as llm:
            with pytest.raises(Exception, match="nothing is written"):
                ask(llm.llm_config())


def test_a_function_that_raises_fails_the_test():
    with pytest.raises(AssertionError, match="KeyError"):  # noqa: PT012, SIM117
        with ScriptedLLM() as llm:
            llm.always(lambda request: request["nothing"])
            with pytest.raises(Exception, match="KeyError"):
                ask(llm.llm_config())


def test_the_test_s_own_error_is_not_hidden():
    with pytest.raises(ZeroDivisionError), ScriptedLLM() as llm:  # noqa: PT012
        with pytest.raises(Exception, match="nothing is written"):
            ask(llm.llm_config())
        raise ZeroDivisionError


def test_it_remembers_what_it_was_asked(scripted_llm):
    scripted_llm.always(say("Hi"))
    ask()
    assert scripted_llm.wait_for_request() == scripted_llm.requests[0]
    assert scripted_llm.requests[0]["messages"] == HELLO
    with pytest.raises(AssertionError, match="no request within 0"):
        scripted_llm.wait_for_request(timeout=0)


def test_an_answer_is_held_back_and_continued_chunk_by_chunk(scripted_llm):
    answer = say("one two three").paused(after=1)
    scripted_llm.replies(answer)
    told = []
    arrived = threading.Condition()

    def tell(delta):
        with arrived:
            told.append(delta.text)
            arrived.notify_all()

    def wait_until_told(count):
        with arrived:
            assert arrived.wait_for(lambda: len(told) == count, 10)

    asking = threading.Thread(target=ask, kwargs={"on_delta": tell})
    asking.start()
    answer.wait_until_paused()
    wait_until_told(1)
    answer.release(1)
    answer.wait_until_paused()
    wait_until_told(2)
    answer.release()
    asking.join()
    assert told == ["one", " two", " three"]


def test_a_client_that_leaves_is_noticed(scripted_llm):
    scripted_llm.replies(hang(), say("One two").paused(after=1))
    for _ in range(2):
        connection = post(scripted_llm, {"messages": HELLO})
        scripted_llm.wait_for_request()
        with pytest.raises(AssertionError, match="no client left"):
            scripted_llm.wait_for_disconnect(timeout=0)
        connection.close()
        scripted_llm.wait_for_disconnect()


def test_a_client_that_reads_to_the_end_has_not_disconnected(scripted_llm):
    scripted_llm.replies(say("Hi"))
    ask()
    assert scripted_llm.disconnections == 0


def test_failures_carry_their_status_and_headers(scripted_llm):
    scripted_llm.replies(fail(429, "slow down", headers={"retry-after": "7"}))
    connection = post(scripted_llm, {})
    response = connection.getresponse()
    assert (response.status, response.headers["retry-after"]) == (429, "7")
    assert json.loads(response.read())["error"]["message"] == "slow down"
    connection.close()


def test_a_cut_answer_breaks_off(scripted_llm):
    scripted_llm.replies(cut("Half an"))
    deltas = []
    with pytest.raises(LLMStreamTruncated):
        ask(scripted_llm.llm_config(max_retries=0), on_delta=deltas.append)
    assert "".join(delta.text for delta in deltas) == "Half an"


def test_text_and_several_calls_may_come_in_one_message(scripted_llm):
    scripted_llm.replies(say("Let me see.").and_call("weather", city="Paris").and_call("time", zone="CET"))
    reply = ask()
    assert reply.content == "Let me see."
    assert [(made["function"]["name"], json.loads(made["function"]["arguments"])) for made in reply.tool_calls] == [
        ("weather", {"city": "Paris"}),
        ("time", {"zone": "CET"}),
    ]


def test_a_tool_may_have_a_parameter_of_any_name(scripted_llm):
    scripted_llm.replies(call("book", tool="drill", name="Ada"))
    assert json.loads(ask().tool_calls[0]["function"]["arguments"]) == {"tool": "drill", "name": "Ada"}


def test_closing_it_leaves_no_thread():
    before = set(threading.enumerate())
    with ScriptedLLM() as llm:
        llm.replies(hang())
        connection = post(llm, {})
        llm.wait_for_request()
        its_own = set(threading.enumerate()) - before
        assert its_own
    assert not its_own & set(threading.enumerate())
    connection.close()


# --- the recording stream ---------------------------------------------------------------------------------------------


def test_a_recording_stream_is_an_io_stream():
    stream = RecordingStream()
    assert isinstance(stream, InputStream)
    assert isinstance(stream, OutputStream)
    with IOStream.set_default(stream):
        IOStream.get_default().print("a", 1, sep="-", end="!")
    assert stream.printed == "a-1!"


def test_a_recording_stream_answers_from_its_list_and_then_fails():
    stream = RecordingStream("Paris")
    stream.answer("Rome")
    assert [stream.input("Where? "), stream.input("And? ")] == ["Paris", "Rome"]
    assert stream.prompts == ["Where? ", "And? "]
    with pytest.raises(AssertionError, match="nothing is left to answer 'Again"):
        stream.input("Again? ")


def test_a_recording_stream_takes_what_staff_say_from_its_answers():
    stream = RecordingStream("Help", "We are here.", "", "Thanks")
    assert stream.input() == "Help"
    assert [each.content for each in stream.hand_over(to=group("support")).messages] == ["We are here."]
    assert stream.input() == "Thanks"
    nobody = RecordingStream("")
    assert nobody.hand_over(to=group("support"), timeout=60).taken is False


def test_a_recording_stream_keeps_the_events():
    stream = RecordingStream()
    said = [
        RunStarted(),
        TextMessage(name="user", content="Hello"),
        TextMessageContent(message_id="1", delta="Hi"),
        TextMessageEnd(message_id="1", name="bot", content="Hi"),
    ]
    for event in said:
        stream.send(event)
    assert stream.events == said
    assert stream.messages == [("user", "Hello"), ("bot", "Hi")]
    assert stream.types == ["RUN_STARTED", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END"]
    assert stream.events_of(RunStarted) == [RunStarted()]


@pytest.fixture
def german():
    with translation.override("de"):
        assert translation.gettext("Guest") == "Gast"
        yield


def test_a_chat_speaks_the_sites_language_whatever_was_active_before(german, agent_chat, scripted_llm):
    chat = agent_chat("weather")
    scripted_llm.always(say("Fine. TERMINATE"))
    chat.send("How is Paris?")
    chat.wait_for("RUN_FINISHED")
    assert chat.said[0] == ("Guest", "How is Paris?")


def test_the_tools_for_tests_need_no_django():
    code = "import sys, agentchat.testing; print([name for name in sys.modules if name.split('.')[0] == 'django'])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


# --- the database of a project's tests ------------------------------------------------------------------------------

PROJECT = {
    "site_settings.py": """
from tests.settings import *
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
""",
    "conftest.py": 'pytest_plugins = ["agentchat.testing"]',
    "test_chats.py": """
import os
import pytest
from django.db import connection
from agentchat import on_connect

@on_connect("busy")
def busy(iostream):
    iostream.input()
    for number in range(10):
        iostream.print(iostream.step(str(number), lambda: number))
    iostream.input("More?")

@pytest.mark.parametrize("number", range(3))
def test_several_at_once(number, agent_chat):
    assert os.path.isfile(connection.settings_dict["NAME"])
    chats = [agent_chat("busy") for _ in range(4)]
    for chat in chats:
        chat.send("go")
    for chat in chats:
        chat.wait_for("INPUT_REQUESTED")
        chat.send("no")
    for chat in chats:
        chat.wait_for("RUN_FINISHED")
        chat.replayed()

def test_the_other_tests_work_as_ever(db, django_user_model):
    import sys
    assert "celery" not in sys.modules
    assert django_user_model.objects.count() == 0
""",
}


def test_a_project_with_djangos_default_test_database_can_use_the_fixtures(tmp_path):
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    code = "import sys, pytest; sys.path.insert(0, '.'); sys.exit(pytest.main(sys.argv[1:]))"
    arguments = [
        "-q",
        "-W",
        "error",
        "-p",
        "no:asyncio",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        ".",
    ]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "site_settings",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "TMPDIR": str(tmp_path),
        "PYTEST_ADDOPTS": "",
    }
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_TESTRUNUID", "TEST_DATABASE_ENGINE"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "4 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
    assert not list(tmp_path.glob("agentchat-test-*"))


# --- what a test leaves behind --------------------------------------------------------------------------------------


def test_an_agent_chat_leaves_no_connection(transactional_db, agent_function):
    def greet(iostream):
        iostream.step("one", int)
        iostream.print(iostream.input())

    opened = []
    connect = BaseDatabaseWrapper.connect
    close = BaseDatabaseWrapper.close

    def counting(self):
        opened.append(threading.get_ident())
        return connect(self)

    with pytest.MonkeyPatch.context() as patch, running_server() as loop:
        patch.setattr(BaseDatabaseWrapper, "connect", counting)
        patch.setattr(BaseDatabaseWrapper, "close", lambda self: (opened.append(-threading.get_ident()), close(self)))
        chat = AgentChat(agent_function(greet), loop)
        chat.send("hi")
        chat.wait_for("RUN_FINISHED")
    left = {ident for ident in opened if ident > 0 and -ident not in opened}
    assert left <= {threading.get_ident()}
