"""Programs of the kinds that are published for AutoGen 0.2: notebooks, demos, recipes. Only the import is another."""

import ast
import json
import re
from pathlib import Path

import pytest

from agentchat.io import IOStream
from agentchat.testing import RecordingStream, call, say

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.py"))


@pytest.fixture
def scripted(scripted_llm, monkeypatch):
    """Let the model answer with these: a text, or the name and the arguments of a tool."""

    def script(answers):
        entry = {"model": "scripted", "api_key": "x", "base_url": scripted_llm.base_url}
        monkeypatch.setenv("OAI_CONFIG_LIST", json.dumps([entry]))
        scripted_llm.replies(*(say(each) if isinstance(each, str) else call(each[0], **each[1]) for each in answers))

    return script


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_published_program_runs_unchanged(program, scripted):
    written = program.read_text("utf-8")
    scripted(ast.literal_eval(written.partition("\n")[0].removeprefix("# replies: ")))
    with IOStream.set_default(RecordingStream()):
        exec(compile(re.sub(r"\bautogen\b", "agentchat", written), program.name, "exec"), {"__name__": "program"})
