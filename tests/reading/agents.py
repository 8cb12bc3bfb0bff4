"""Agent functions with something to read. What the model says comes from a scripted one."""

import os
import time
from pathlib import Path
from typing import Annotated

from agentchat import ConversableAgent, IOStream, UserProxyAgent, llm_config, on_connect, register_function, reply


def look_up(word: Annotated[str, "what is looked for"], lines: Annotated[int, "how many lines are wanted"] = 3) -> str:
    return "\n".join(f"{number}. {word} was seen here, and here is what was said about it." for number in range(lines))


def wait_for_it(word: Annotated[str, "what is waited for"]) -> str:
    """Comes back when the test says so, by a file."""
    while not (mark := Path(os.environ["READING_MARK"])).exists():
        time.sleep(0.02)
    mark.unlink()
    return f"{word} is here."


@on_connect("library", title="Library", description="Looks things up.", prompts=["Look it up."])
def library(iostream: IOStream) -> None:
    """Looks up what the model wants looked up, and is done with each question."""
    message = iostream.input()
    agent = ConversableAgent("librarian", llm_config=llm_config())
    person = UserProxyAgent(
        "person", human_input_mode="NEVER", is_termination_msg=lambda m: "TERMINATE" in (m.get("content") or "")
    )
    register_function(look_up, caller=agent, executor=person, description="Look a word up.")
    register_function(wait_for_it, caller=agent, executor=person, description="Wait for a word.")
    person.initiate_chat(agent, message=message)


@on_connect("companion", title="Companion", description="Remembers more than a model would read.")
def companion(iostream: IOStream) -> None:
    for number in range(24):
        iostream.remember("user" if number % 2 == 0 else "assistant", f"Line {number}")
    iostream.input()
    reply(iostream, ConversableAgent("companion", llm_config=llm_config()), history="summary")
