"""Agent functions for hostile guests: a form that is laborious to check, and tools that misbehave in every way."""

import os
import time
from typing import Annotated, Any

from pydantic import BaseModel, Field

from agentchat import ConversableAgent, IOStream, UserProxyAgent, on_connect, register_function, reply

HANG_SECONDS = 300


class Survey(BaseModel):
    name: str = Field(min_length=2)
    code: str = Field(pattern=r"^(a+)+$")
    mail: str = Field("", pattern=r"^([a-zA-Z0-9_.-]+)*@([a-z]+\.)+[a-z]+$|^$")
    tags: set[str] = set()
    rows: list[dict[str, Any]] = []


@on_connect("survey", title="Survey")
def survey(iostream: IOStream) -> None:
    iostream.input()
    answer = iostream.ask("Please fill this in.", Survey)
    iostream.print(f"Thank you, {answer.name}.")


def pay(to: Annotated[str, "who gets it"], amount: Annotated[float, "in euros"]) -> str:
    """Pay someone, if a user approves."""
    return f"Pretended to pay {amount} to {to}."


def hang() -> str:
    """Keep a thread for far longer than a tool may take."""
    time.sleep(HANG_SECONDS)
    return "awake"


def burst(size: int) -> str:
    """Return so many characters, at most two million."""
    return "<b>&\u202e" * (min(size, 2_000_000) // 5)


def forge() -> str:
    """Fail with a message that looks like lines of a log."""
    raise ValueError("x\n2026-11-30 12:00:00,000 ERROR agentchat.runs: FORGED\n" * 200)


class Leaving(BaseException):
    """What no `except Exception` catches."""


def leave() -> str:
    """Raise what ends a program."""
    raise Leaving


def note(value: Any) -> str:
    """Take any value."""
    return str(value)[:100]


TOOLS = [hang, burst, forge, leave, note]


def hostile_config() -> dict[str, Any]:
    """The hostile model. The honest agents have the one of the environment."""
    return {"config_list": [{"model": "hostile", "api_key": "sk-hostile", "base_url": os.environ["HOSTILE_BASE_URL"]}]}


@on_connect("parrot", title="Parrot")
def parrot(iostream: IOStream) -> None:
    agent = ConversableAgent("parrot", llm_config=hostile_config())
    while True:
        iostream.input()
        reply(iostream, agent)


@on_connect("till", title="Till")
def till(iostream: IOStream) -> None:
    message = iostream.input()
    clerk = ConversableAgent("clerk", llm_config=hostile_config())
    desk = UserProxyAgent(
        "desk",
        human_input_mode="NEVER",
        is_termination_msg=lambda message: "TERMINATE" in (message.get("content") or ""),
        max_consecutive_auto_reply=4,
    )
    register_function(pay, caller=clerk, executor=desk, approval=True)
    for tool in TOOLS:
        register_function(tool, caller=clerk, executor=desk)
    desk.initiate_chat(clerk, message=message)
