"""`manage.py chat`: an agent function in the terminal."""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from agentchat.core import registry
from agentchat.errors import ConfigError
from agentchat.events import TextMessage
from agentchat.io import IOStream

Type = Callable[[str], None]

CHAT_WEATHER = [sys.executable, "manage.py", "chat", "weather"]
AS_THE_SITE: dict[str, Any] = {
    "cwd": settings.BASE_DIR,
    "env": {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
    "text": True,
}


@pytest.fixture
def type_(monkeypatch: pytest.MonkeyPatch) -> Type:
    """What the user types."""
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


@pytest.fixture(autouse=True)
def _own_agents() -> Iterator[None]:
    yield
    for name in ("echo", "members"):
        registry.unregister(name)


def echo(iostream: Any) -> None:
    while (words := iostream.input()) != "bye":
        IOStream.get_default().send(TextMessage(name="echo", to="person", content=words))


def test_the_agent_function_talks_in_the_terminal(type_: Type, capsys: pytest.CaptureFixture[str]) -> None:
    registry.on_connect("echo")(echo)
    type_("hello\nbye\n")
    call_command("chat", "echo")
    printed = capsys.readouterr()
    assert "echo (to person):\n\nhello\n" in printed.out
    assert "Echo. Write a message" in printed.err


def test_the_end_of_the_input_ends_the_chat(type_: Type, capsys: pytest.CaptureFixture[str]) -> None:
    registry.on_connect("echo")(echo)
    type_("hello\n")
    call_command("chat", "echo")
    assert "hello" in capsys.readouterr().out


def test_ctrl_c_ends_the_chat_without_a_traceback() -> None:
    def as_in_a_terminal() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's job in the background ignores it, and so would this

    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(CHAT_WEATHER, **AS_THE_SITE, **pipes, preexec_fn=as_in_a_terminal) as chat:
        assert chat.stdout.read(2) == "> "
        chat.send_signal(signal.SIGINT)
        out, err = chat.communicate(timeout=30)
    assert chat.returncode == 130
    assert out == "\nGoodbye.\n"
    assert "Traceback" not in err


def test_a_wrong_name_lists_the_agents() -> None:
    registry.on_connect("echo")(echo)
    with pytest.raises(CommandError, match=r"unknown agent 'ecco'; available to a guest .*: .*\becho\b"):
        call_command("chat", "ecco")


def test_an_agents_failure_is_reported_without_a_traceback(type_: Type) -> None:
    def broken(iostream: Any) -> None:
        raise ConfigError("no API key for model 'x': set OPENAI_API_KEY")

    registry.on_connect("echo")(broken)
    with pytest.raises(CommandError, match="ConfigError: no API key for model 'x'"):
        call_command("chat", "echo")


def whoami(iostream: Any) -> None:
    user = iostream.user
    iostream.print("I am", user.get_username() if user else "a guest", iostream.session, list(iostream.history))


def test_a_guest_has_no_user_no_session_and_no_history(capsys: pytest.CaptureFixture[str]) -> None:
    registry.on_connect("echo")(whoami)
    call_command("chat", "echo")
    assert capsys.readouterr().out == "I am a guest None []\n"


@pytest.mark.django_db
def test_the_agent_function_knows_the_user_at_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create_user("olivia")
    registry.on_connect("members", allow=lambda user: user is not None)(whoami)
    call_command("chat", "members", user="olivia")
    assert "I am olivia" in capsys.readouterr().out


@pytest.mark.django_db
def test_an_unknown_user_is_reported() -> None:
    with pytest.raises(CommandError, match="there is no user 'nobody'"):
        call_command("chat", "weather", user="nobody")


def test_an_agent_that_is_not_available_is_reported() -> None:
    registry.on_connect("members", allow=lambda user: user is not None)(whoami)
    with pytest.raises(CommandError, match="'members' is not available to a guest"):
        call_command("chat", "members")


def test_the_sites_own_weather_agent_answers_in_a_real_terminal_program() -> None:
    ended = subprocess.run(
        CHAT_WEATHER,
        **AS_THE_SITE,
        input="What is the weather in Paris?\n",
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Suggested tool call" in ended.stdout
    assert '"city": "Paris"' in ended.stdout or '"city":"Paris"' in ended.stdout
    assert "The made-up forecast for Paris" in ended.stdout
    assert "TERMINATE" in ended.stdout
