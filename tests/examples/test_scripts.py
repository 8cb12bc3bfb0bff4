"""The examples that need no browser: they answer, and they end."""

import importlib.util
from pathlib import Path

import pytest

from agentchat.testing import call, say
from tests.examples.processes import run


@pytest.mark.parametrize("name", ["python_client", "notebook"])
def test_without_a_key_the_weather_and_a_poem_are_printed_and_it_ends(name, tmp_path):
    done = run(name, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Connected to ws://127.0.0.1:" in done.stdout
    assert "The weather forecast for Paris at " in done.stdout
    assert "the poem" in done.stdout
    assert done.stdout.count("TERMINATE") == 1
    assert "Set OPENAI_API_KEY" in done.stderr  # it says that no model was asked


@pytest.mark.parametrize("name", ["python_client", "notebook"])
def test_with_a_key_the_model_is_asked(name, tmp_path, scripted_llm):
    scripted_llm.replies(call("weather_forecast", city="Paris"), say("Grey roofs, no rain. TERMINATE"))
    done = run(name, tmp_path, **scripted_llm.environment())
    assert done.returncode == 0, done.stderr
    assert "Grey roofs, no rain. TERMINATE" in done.stdout
    assert scripted_llm.requests[0]["messages"][-1]["content"].startswith("Check out the weather in Paris")


def test_the_notebook_is_made_of_cells():
    source = Path(importlib.util.find_spec("agentchat.examples.notebook").origin).read_text(encoding="utf-8")
    cells = [line for line in source.splitlines() if line.startswith("# %%")]
    assert source.startswith("# %% [markdown]\n")
    assert cells.count("# %%") >= 3
    assert [number for number in range(1, 6) if f"# {number}. " not in source] == []
