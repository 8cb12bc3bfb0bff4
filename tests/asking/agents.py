"""Agent functions that ask people. What the model says comes from a scripted one."""

import os
import threading
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from django.utils import timezone
from pydantic import BaseModel, Field

from agentchat import (
    ConversableAgent,
    IOStream,
    UserProxyAgent,
    group,
    llm_config,
    on_connect,
    owner,
    register_function,
)


def refund(
    order: Annotated[str, "the order's number"],
    amount: Annotated[float, "in euros"],
    note: Annotated[str, "for the customer"] = "",
) -> str:
    return f"Paid {amount} back for {order}. {note}".strip()


def transfer(to: str, number: int, tags: list[str] | None = None, note: str = "") -> str:
    return f"Transferred {number} to {to!a}, {note}"


def stamp() -> str:
    """The first time it does not come back: whoever kills the server cannot know whether it stamped."""
    mark = Path(os.environ["ASKING_MARK"])
    if not mark.exists():
        mark.touch()
        threading.Event().wait()
    return "Stamped."


@on_connect("cash", title="Cash desk")
def cash_desk(iostream: IOStream) -> None:
    """Calls what the model wants called; pays when a person approves of it."""
    message = iostream.input()
    agent = ConversableAgent("clerk", llm_config=llm_config())
    person = UserProxyAgent(
        "person", human_input_mode="NEVER", is_termination_msg=lambda m: "TERMINATE" in (m.get("content") or "")
    )
    register_function(refund, caller=agent, executor=person, description="Pay money back.", approval=True)
    register_function(transfer, caller=agent, executor=person, description="Transfer money.", approval=True)
    register_function(
        stamp, caller=agent, executor=person, description="Stamp the receipt.", outcome_unknown_to=owner()
    )
    person.initiate_chat(agent, message=message)


@on_connect("returns", title="Returns desk")
def returns_desk(iostream: IOStream) -> None:
    """Pays when a colleague approves of it."""
    message = iostream.input()
    agent = ConversableAgent("clerk", llm_config=llm_config())
    person = UserProxyAgent(
        "person", human_input_mode="NEVER", is_termination_msg=lambda m: "TERMINATE" in (m.get("content") or "")
    )
    register_function(
        refund, caller=agent, executor=person, description="Pay money back.", approval=True, to=group("support")
    )
    person.initiate_chat(agent, message=message)


@on_connect("orders", title="Order desk")
def order_desk(iostream: IOStream) -> None:
    """Waits for a payment, which nobody makes in the chat."""
    article = iostream.input()
    iostream.post(f"One {article}. Please pay.")
    iostream.wait_for("paid")
    iostream.post("Thank you.")


@on_connect("help", title="Help desk")
def help_desk(iostream: IOStream) -> None:
    """Hands over to a colleague, and says what it has heard."""
    wish = iostream.input()
    iostream.post("I'll fetch somebody.")
    result = iostream.hand_over(to=group("support"), summary=f"Wants: {wish}")
    iostream.post(f"I have heard {len(result.messages)} messages.")
    while True:
        iostream.post(f"You said: {iostream.input()}")


class Address(BaseModel):
    street: str
    city: str = Field(description="As on the letter box")


class Delivery(BaseModel):
    name: str = Field(description="Who receives it")
    email: str = Field(json_schema_extra={"format": "email"})
    reference: str = Field(pattern=r"^[A-Z]{2}-\d+$", description="Like AB-12")
    parcels: int = Field(1, ge=1, le=9)
    day: date | None = None
    speed: Literal["normal", "express"] = "normal"
    insured: bool = False
    address: Address
    remarks: str = Field("", max_length=2000)
    tags: list[str] = []


@on_connect("delivery", title="Delivery desk")
def delivery_desk(iostream: IOStream) -> None:
    iostream.input()
    delivery = iostream.ask("Where shall it go?", Delivery)
    iostream.print(f"It goes to {delivery.name}, {delivery.address.city}.")


class Word(BaseModel):
    word: str


def _soon() -> datetime:
    return timezone.now() + timedelta(seconds=float(os.environ.get("ASKING_EXPIRES_S", "3")))


@on_connect("hurry", title="Hasty desk")
def hasty_desk(iostream: IOStream) -> None:
    """Waits a few seconds only."""
    iostream.input()
    until = iostream.step("until", lambda: _soon().isoformat())
    answer = iostream.ask("Quick: a word?", Word, expires_at=datetime.fromisoformat(until))
    iostream.print(f"You said {answer.word}.")


@on_connect("secret", title="Secret desk")
def secret_desk(iostream: IOStream) -> None:
    iostream.input()
    secret = iostream.input("The door's code?", password=True)
    iostream.print(f"It has {len(secret)} characters.")


@on_connect("review", title="Review desk")
def review_desk(iostream: IOStream) -> None:
    """The writer asks the critic before it replies, and the critic the clerk, who pays when a person approves of it."""
    message = iostream.input()
    writer = ConversableAgent("writer", llm_config=llm_config())
    critic = ConversableAgent("critic", llm_config=llm_config())
    clerk = ConversableAgent("clerk", llm_config=llm_config())
    cashier = UserProxyAgent(
        "cashier", human_input_mode="NEVER", is_termination_msg=lambda m: "TERMINATE" in (m.get("content") or "")
    )
    register_function(refund, caller=clerk, executor=cashier, description="Pay money back.", approval=True)
    critic.register_nested_chats([{"sender": cashier, "recipient": clerk}], trigger=writer)
    writer.register_nested_chats([{"recipient": critic, "max_turns": 1}], trigger="person")
    person = UserProxyAgent("person", human_input_mode="NEVER", max_consecutive_auto_reply=0)
    person.initiate_chat(writer, message=message)
