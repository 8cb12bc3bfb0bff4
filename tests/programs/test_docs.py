"""The programs in docs/integrations.md, against a real server."""

import pytest

from agentchat.core import registry
from tests.test_project.test_docs import ROOT, blocks

PAGE = ROOT / "docs" / "integrations.md"


@pytest.fixture
def agents_of_the_page():
    before = dict(registry._agents)
    for _, block in blocks(PAGE, "python"):
        if not block.startswith("# program.py"):
            exec(compile(block, str(PAGE), "exec"), {})
    yield
    registry._agents.clear()
    registry._agents.update(before)


def test_every_program_on_the_page_does_what_it_says(server_url, make_key, agents_of_the_page, capsys):
    programs = [(line, block) for line, block in blocks(PAGE, "python") if block.startswith("# program.py")]
    for line, block in programs:
        code = block.replace("https://chat.example", server_url).replace("agentchat_…", make_key())
        exec(compile("\n" * line + code, str(PAGE), "exec"), {"__name__": "program"})
    assert capsys.readouterr().out == "How many cups?\nThree cups of Assam"
