"""A group chat with custom selection, as a script for the classic package: only the import's name is another."""

import json

import pytest

from agentchat.testing import call, say

SCRIPT = """
import autogen

config_list = autogen.config_list_from_json("OAI_CONFIG_LIST")
llm_config = {"config_list": config_list, "cache_seed": None}

user_proxy = autogen.UserProxyAgent(
    name="Admin",
    system_message="A human admin.",
    human_input_mode="NEVER",
    is_termination_msg=lambda msg: "TERMINATE" in (msg.get("content") or ""),
    code_execution_config=False,
)
planner = autogen.AssistantAgent(
    name="Planner", system_message="You make plans.", description="Makes plans.", llm_config=llm_config
)
engineer = autogen.AssistantAgent(
    name="Engineer", system_message="You work by the plan.", description="Works by the plan.", llm_config=llm_config
)
executor = autogen.UserProxyAgent(
    name="Executor", human_input_mode="NEVER", code_execution_config=False, default_auto_reply="Nothing to run."
)


@executor.register_for_execution()
@engineer.register_for_llm(description="The length of a word.")
def word_length(word: str) -> int:
    return len(word)


def custom_speaker_selection_func(last_speaker, groupchat):
    messages = groupchat.messages
    if len(messages) <= 1:
        return planner
    if last_speaker is planner:
        return engineer
    if last_speaker is engineer:
        if "tool_calls" in messages[-1]:
            return executor
        if "TERMINATE" in messages[-1]["content"]:
            return None
        return "auto"
    return engineer


groupchat = autogen.GroupChat(
    agents=[user_proxy, engineer, planner, executor],
    messages=[],
    max_round=20,
    speaker_selection_method=custom_speaker_selection_func,
)
manager = autogen.GroupChatManager(groupchat=groupchat, llm_config=llm_config)
result = user_proxy.initiate_chat(manager, message="How long is the word 'tea'?")

transcript = [(message["name"], message["content"]) for message in groupchat.messages]
resumed = autogen.GroupChatManager(
    groupchat=autogen.GroupChat(
        agents=[user_proxy, engineer, planner], messages=[], max_round=2, speaker_selection_method="round_robin"
    ),
    llm_config=llm_config,
)
last_agent, last_message = resumed.resume(
    messages=manager.messages_to_string(groupchat.messages[:2]), remove_termination_string="TERMINATE"
)
"""


@pytest.fixture
def script(scripted_llm, monkeypatch):
    """Run the script and give what it has made."""
    monkeypatch.setenv(
        "OAI_CONFIG_LIST", json.dumps([{"model": "scripted", "api_key": "x", "base_url": scripted_llm.base_url}])
    )

    def run():
        made = {}
        exec(compile(SCRIPT.replace("autogen", "agentchat"), "group_chat.py", "exec"), made)
        return made

    return run


def test_the_script_runs_as_it_is(script, scripted_llm, capsys):
    scripted_llm.replies(
        say("Count the letters."),
        call("word_length", word="tea"),
        say("I have counted them."),
        say("Planner"),
        say("Now say it."),
        say("It has 3 letters. TERMINATE"),
    )
    made = script()
    assert made["transcript"] == [
        ("Admin", "How long is the word 'tea'?"),
        ("Planner", "Count the letters."),
        ("Engineer", ""),
        ("Executor", "3"),
        ("Engineer", "I have counted them."),
        ("Planner", "Now say it."),
        ("Engineer", "It has 3 letters. TERMINATE"),
    ]
    assert made["result"].summary == "It has 3 letters. "
    assert [message["content"] for message in made["result"].chat_history][-1] == "It has 3 letters. TERMINATE"
    assert (made["last_agent"].name, made["last_message"]["content"]) == ("Planner", "Count the letters.")
    assert made["resumed"].groupchat.messages[0]["content"] == "How long is the word 'tea'?"


def test_its_console_reads_as_the_classic_one(script, scripted_llm, capsys):
    scripted_llm.replies(say("Count the letters."), say("It has 3 letters. TERMINATE"))
    script()
    rule = "-" * 80
    assert capsys.readouterr().out == (
        f"Admin (to chat_manager):\n\nHow long is the word 'tea'?\n\n{rule}\n"
        f"\nNext speaker: Planner\n\nPlanner (to chat_manager):\n\nCount the letters.\n\n{rule}\n"
        f"\nNext speaker: Engineer\n\nEngineer (to chat_manager):\n\nIt has 3 letters. TERMINATE\n\n{rule}\n"
        "\nPrepared group chat with 2 messages, the last speaker is Planner\n"
    )
