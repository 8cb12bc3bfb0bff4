"""Scripts for the classic package run here when `autogen` becomes `agentchat`, as the main module of a program."""

import io
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from agentchat.testing import call, say

SCRIPTS = Path(__file__).parent / "scripts"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(scripted_llm, tmp_path, monkeypatch, capsys):
    """Run a script; return what it prints after RESULT. All that it prints is in `run.output`.

    It runs in this process, or `is_alone` in one of its own, with the warnings and the environment of that.
    """
    entry = {"model": "scripted", "api_key": "x", "base_url": scripted_llm.base_url, "tags": ["chat"]}

    def here(script, arguments, typed):
        monkeypatch.setattr(sys, "argv", [str(script), *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out

    def alone(script, arguments, typed):
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script), *arguments],
            input=typed,
            env={"PYTHONPATH": str(ROOT), "OAI_CONFIG_LIST": os.environ["OAI_CONFIG_LIST"]},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(name, *arguments, typed="", others=(), is_alone=False):
        script = tmp_path / f"{name}_script.py"
        script.write_text((SCRIPTS / f"{name}.py").read_text("utf-8").replace("autogen", "agentchat"), "utf-8")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("OAI_CONFIG_LIST", json.dumps([entry, *others]))
        run.output = (alone if is_alone else here)(script, arguments, typed)
        return [line.partition("RESULT ")[2] for line in run.output.splitlines() if "RESULT " in line]

    return run


def asked(llm, number):
    """The texts of one request's messages, without the system message."""
    return [message["content"] for message in llm.requests[number]["messages"] if message["role"] != "system"]


def test_two_agents_with_tools(run, scripted_llm):
    scripted_llm.replies(
        call("currency_calculator", base_amount=110.0, base_currency="EUR", quote_currency="USD").and_call(
            "weather", city="Paris"
        ),
        say("121.00 USD, and sunny. TERMINATE"),
    )
    assert run("two_agents", others=[{"model": "never asked", "api_key": "x"}], is_alone=True) == [
        "['How much is 110 EUR in USD, and how is Paris?', '', '121.00 USD\\n\\nsunny in Paris', "
        "'121.00 USD, and sunny. TERMINATE'] '121.00 USD, and sunny. '",
        "['currency_calculator', 'weather'] False",
    ]
    assert ">>>>>>>> EXECUTING FUNCTION currency_calculator..." in run.output


def test_sequential_chats_carry_over(run, scripted_llm):
    texts = ["NVDA 1, TESLA 2. TERMINATE", "Chips sell.", "The reasons.", "The post. TERMINATE", "Fine.", "Again so."]
    scripted_llm.replies(*map(say, texts))
    assert run("sequential") == [
        "'What are the prices of NVDA and TESLA?' 2 'NVDA 1, TESLA 2. ' []",
        "'Investigate possible reasons of the prices.\\nContext: \\nNVDA 1, TESLA 2. ' 2 'The reasons.' []",
        "'Develop an engaging blog post.\\nContext: \\nI want to include a figure.\\nThe reasons.' 2 'The post. ' []",
        "'Develop an engaging blog post.\\nContext: \\nI want to include a figure.\\nThe reasons.' 4 '' []",
        "True",
        "'Again so.'",
    ]
    assert scripted_llm.requests[2]["messages"][-1] == {"role": "system", "content": "Sum up the reasons."}
    assert asked(scripted_llm, 4)[-1] == "User asks writer, with 'The post. '"
    assert run.output.count("Starting a new chat....") == 5


def test_a_nested_chat_reviews(run, scripted_llm):
    scripted_llm.replies(*map(say, ["A draft.", "Too dry.", "A better draft.", "The final text."]))
    assert run("nested") == [
        "['Write about chips.', 'A draft.', 'A better draft.', 'The final text.'] 'The final text.'",
        "['Rewrite it.\\nContext: \\nToo dry.', 'A better draft.']",
    ]
    assert asked(scripted_llm, 1)[-1].endswith("on the following writing. \n\n A draft.")


@pytest.mark.parametrize(
    ("mode", "typed", "replies", "said"),
    [
        (
            "ALWAYS",
            ["hello", "", "stop it", "exit"],
            ["It is 3.", "I stop."],
            "['3', 'It is 3.', 'stop it', 'I stop.']",
        ),
        ("ALWAYS", ["hello", "not that", "exit"], ["Then not."], "['not that', 'Then not.']"),
        ("TERMINATE", ["hello", "", "exit"], ["3.", "So.", "Bye."], "['3', '3.', 'go on', 'So.', 'go on', 'Bye.']"),
        ("NEVER", ["hello"], ["It is 3.", "I stop."], "['3', 'It is 3.', 'go on', 'I stop.']"),
    ],
)
def test_a_human_in_the_loop(run, scripted_llm, mode, typed, replies, said):
    scripted_llm.replies(call("add", a=1, b=2), *map(say, replies))
    assert run("human", mode, typed="".join(f"{line}\n" for line in typed)) == [f"['hello', '', {said[1:]} {typed}"]


def test_usage_is_summed_and_printed(run, scripted_llm):
    scripted_llm.replies(say("Hi", usage=(1000, 500)), say("one", usage=(2000, 10)), say("two", usage=(10, 2)))
    assert run("usage") == [
        "['Hi'] 0.002",
        "None None",
        "True",
        "True",
        "[('completion_tokens', 12), ('cost', 0.0020340000000000002), ('prompt_tokens', 2010), ('total_tokens', 2022)]",
        "None",
    ]
    assert "Agent 'assistant':\n" in run.output
    line = "* Model 'scripted': cost: 0.00203, prompt_tokens: 2010, completion_tokens: 12, total_tokens: 2022\n"
    assert run.output.count(line) == 2
    assert "No cost incurred from agent 'user'.\n" in run.output


def test_a_cache_on_disk(run, scripted_llm, tmp_path):
    scripted_llm.replies(say("one"), say("two"), say("three"))
    assert run("cache", is_alone=True) == ["one", "two", "two", "three"]
    scripted_llm.replies(say("four"), say("five"))
    assert run("cache") == ["four", "two", "two", "five"]  # kept from the first time
    assert run.output.count("assistant (to user):\n\ntwo\n") == 2
    assert [path.suffix for path in (tmp_path / ".kept" / "43").iterdir()] == [".json"]


def test_awaited_chats(run, scripted_llm):
    scripted_llm.replies(call("timer", num_seconds=5), say("Waited. TERMINATE"))
    assert run("awaited") == [
        """[(1, 'Waited. '), (2, "two heard 'And?\\\\nContext: \\\\nWaited. '")]""",
        "two heard 'so'",
    ]
