"""The terminal."""

import builtins
import getpass

import pytest

from agentchat import staff
from agentchat.errors import ConfigError
from agentchat.io import IOConsole


def test_print_prints(capsys):
    IOConsole().print("a", 1, sep="-", end="!")
    assert capsys.readouterr().out == "a-1!"


def test_input_reads_a_line(monkeypatch):
    monkeypatch.setattr(builtins, "input", lambda prompt: f"answer to {prompt}")
    assert IOConsole().input("name? ") == "answer to name? "


def test_a_password_is_not_shown(monkeypatch):
    monkeypatch.setattr(getpass, "getpass", lambda prompt: f"secret for {prompt}")
    assert IOConsole().input("PIN: ", password=True) == "secret for PIN: "
    assert IOConsole().input(password=True) == "secret for Password: "


def test_what_is_for_somebody_else_is_asked_of_whoever_is_there(monkeypatch):
    monkeypatch.setattr(builtins, "input", lambda prompt: "yes")
    assert IOConsole().input("May they?", to=staff(), shown=True) == "yes"
    with pytest.raises(ConfigError):
        IOConsole().input("May they?", to="nobody")


def test_what_staff_say_in_a_handover_is_typed_until_an_empty_line(monkeypatch, capsys):
    lines = iter(["Hello", "I am Grace.", ""])
    monkeypatch.setattr(builtins, "input", lambda prompt: next(lines))
    stream = IOConsole()
    stream.remember("user", "a person")
    result = stream.hand_over(to=staff(), summary="Wants a person")
    assert (result.taken, [(each.role, each.content) for each in result.messages]) == (
        True,
        [("staff", "Hello"), ("staff", "I am Grace.")],
    )
    assert "Handed over to staff. Wants a person" in capsys.readouterr().out
    assert [(each["role"], each["content"]) for each in stream.said] == [
        ("user", "a person"),
        ("assistant", "staff (staff, not the assistant): Hello"),
        ("assistant", "staff (staff, not the assistant): I am Grace."),
    ]
    with pytest.raises(ConfigError):
        stream.hand_over(to=None)
