"""The agent functions of the sites under test."""

import os
from pathlib import Path

from agentchat import ConversableAgent, IOStream, UserProxyAgent, llm_config, on_connect, register_function
from tests.faults.app import ledger

FOLDER = Path(os.environ.get("LEDGER", "."))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
VERSION = os.environ.get("DESK_VERSION", "1")


def deliver(parcel: str) -> str:
    """Deliver a parcel: an effect that must not be had twice."""
    ledger.write(FOLDER, f"deliver {parcel}")
    ledger.pass_door(FOLDER, parcel)
    return f"Parcel {parcel} is delivered."


def pay(parcel: str) -> str:
    """Pay for a parcel, when the person has approved it."""
    ledger.write(FOLDER, f"pay {parcel}")
    return f"Parcel {parcel} is paid."


@on_connect("errands")
def errands(iostream: IOStream) -> None:
    """In each round the person says what is to be done, and a model does it."""
    clerk = ConversableAgent("clerk", llm_config=llm_config())
    customer = UserProxyAgent(
        "customer",
        human_input_mode="NEVER",
        is_termination_msg=lambda message: "TERMINATE" in (message["content"] or ""),
    )
    register_function(deliver, caller=clerk, executor=customer)
    register_function(pay, caller=clerk, executor=customer, approval=True)
    iostream.input()
    for number in range(1, ROUNDS + 1):
        errand = iostream.input(f"Round {number}?")
        customer.initiate_chat(clerk, message=errand)
        iostream.print(f"Round {number} is over.")


@on_connect("desk")
def desk(iostream: IOStream) -> None:
    """Its code is another one in version 2."""
    iostream.input()
    iostream.step("look up the order" if VERSION == "1" else "look up the customer", lambda: VERSION)
    iostream.input("Anything else?")
