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
