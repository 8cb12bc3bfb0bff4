"""The agent functions of the documentation and of the examples, on the demo model: their tools are called.

Those of chatsite are tested with it in `tests/chatsite`.
"""

import ast
import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from agentchat.core import registry
from agentchat.events import ToolCallResult
from agentchat.io import IOStream
from agentchat.llm import config
from agentchat.testing import RecordingStream
from tests.test_project.test_docs import ROOT, blocks

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "agentchat" / "examples").glob("*.py"))
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)

# What a user says where the function suggests nothing, what its tools answer, and what the user answers then.
EXPECTED = {
    "orders": ("", "Order 17 is on its way."),
    "prices": ("", "40"),
    "shop": ("Put a chair into the cart.", "1 in the cart", "no"),
    "stock": ("Is a chair in stock?", "4"),
    "my_orders": ("What have I bought?", '["order of None"]'),
    "loans": ("How is customer 7?", "12 of 100: watch closely"),
    "cashier": ("Pay 5 euros to Ada.", "Paid 5 euros to "),
    "lists": ("The price list, please", "[File prices.csv (text/csv, "),
    "forecaster": ("What is the weather in Paris?", "Sunny in "),
    "manuals": ("What does the manual of the chair say?", "Wipe it with a dry cloth."),
    "returns": ("Pay 5 euros for order 17 back.", "Paid ", "yes", "yes"),
    "on_connect": ("Check out the weather in Paris and write a poem about it.", "The weather forecast for Paris"),
}


def with_tools(path: Path) -> list[tuple[str, list[ast.stmt]]]:
    """The functions in a file that register tools, each with all definitions of the file."""
    texts = [block for _, block in blocks(path, "python")] if path.suffix == ".md" else [path.read_text("utf-8")]
    known: list[ast.stmt] = []
    found = []
    for text in texts:
        if "\nINSTALLED_APPS" in text or text.startswith("# mysite/"):
            continue
        definitions = [node for node in ast.parse(text).body if isinstance(node, DEFINITIONS)]
        known += definitions
        found += [
            (node.name, list(known))
            for node in definitions
            if isinstance(node, ast.FunctionDef) and re.search(r"register_function\(|tools=\[", ast.unparse(node))
        ]
    return found


CASES = [
    pytest.param(name, nodes, id=f"{path.relative_to(ROOT)}:{name}")
    for path in [*PAGES, *EXAMPLES]
    for name, nodes in with_tools(path)
]


@pytest.fixture
def demo_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTCHAT_DEMO_RATE", "0")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OAI_CONFIG_LIST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(config, "_source", None)


@pytest.mark.parametrize(("name", "nodes"), CASES)
@pytest.mark.usefixtures("demo_model")
def test_the_demo_model_calls_the_tools(name: str, nodes: list[ast.stmt], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_agents", {})
    names: dict[str, Callable] = {"__name__": __name__}
    exec(compile(ast.Module(body=nodes, type_ignores=[]), name, "exec"), names)
    function = names[name]
    prompts = [prompt for agent in registry._agents.values() if agent.function is function for prompt in agent.prompts]
    said, result, *answers = EXPECTED[name]
    for text in prompts or [said]:
        stream = RecordingStream(text, *answers)
        # Some functions go on for as long as the user answers.
        with IOStream.set_default(stream), contextlib.suppress(AssertionError):
            function(stream)
        [called] = stream.events_of(ToolCallResult)
        assert called.ok
        assert called.content.startswith(result)
        assert result in stream.messages[-1][1]  # the answer reports it
