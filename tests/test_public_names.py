"""The API is `__all__`; to import it costs little and never loads Django."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import agentchat


def test_the_version_is_the_wheels():
    project = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    assert agentchat.__version__ == project["version"]


@pytest.mark.parametrize("name", agentchat.__all__)
def test_a_public_name_is_there(name):
    assert getattr(agentchat, name).__name__ == name
    assert name in dir(agentchat)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'GroupChatter'"):
        _ = agentchat.GroupChatter


def test_every_public_name_can_be_had_without_django_and_extras():
    script = (
        "import sys, agentchat\n"
        "assert not [name for name in sys.modules if name.startswith('agentchat.')]\n"
        "for name in agentchat.__all__: getattr(agentchat, name)\n"
        "print([name for name in ('django', 'channels', 'asgiref', 'mcp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_names_that_type_checkers_see_are_the_same():
    source = importlib.util.find_spec("agentchat").loader.get_source("agentchat")
    assert all(f"import {name} as {name}\n" in source for name in agentchat.__all__)
