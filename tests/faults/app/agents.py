"""The agent functions of the sites under test."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.signals import post_save

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
from tests.faults.app import ledger

FOLDER = Path(os.environ.get("LEDGER", "."))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
VERSION = os.environ.get("DESK_VERSION", "1")


def deliver(parcel: str) -> str:
    """Deliver a parcel: an effect that must not be had twice."""
    ledger.write(FOLDER, f"deliver {parcel}")
    ledger.pass_door(FOLDER, parcel)
    return f"Parcel {parcel} is delivered."


def survey(parcel: str) -> str:
    """Look where a parcel is: as often as one likes."""
    ledger.write(FOLDER, f"survey {parcel}")
    ledger.pass_door(FOLDER, parcel)
    return f"Parcel {parcel} is on its way."


def pay(parcel: str) -> str:
    """Pay for a parcel, when the user has approved it."""
    ledger.write(FOLDER, f"pay {parcel}")
    return f"Parcel {parcel} is paid."


class Counter:
    """A customer and a clerk, who does what the user asks, by a model and three tools."""

    def __init__(self) -> None:
        self._clerk = ConversableAgent("clerk", llm_config=llm_config())
        self._customer = UserProxyAgent(
            "customer",
            human_input_mode="NEVER",
            is_termination_msg=lambda message: "TERMINATE" in (message["content"] or ""),
        )
        register_function(deliver, caller=self._clerk, executor=self._customer, outcome_unknown_to=owner())
        register_function(survey, caller=self._clerk, executor=self._customer, retry_safe=True)
        register_function(pay, caller=self._clerk, executor=self._customer, approval=True, outcome_unknown_to=owner())

    def take(self, errand: str) -> None:
        self._customer.initiate_chat(self._clerk, message=errand)


@on_connect("errands")
def errands(iostream: IOStream) -> None:
    """In each round the user says what is to be done, and a model does it."""
    counter = Counter()
    iostream.input()
    for number in range(1, ROUNDS + 1):
        counter.take(iostream.input(f"Round {number}?"))
        iostream.print(f"Round {number} is over.")


@on_connect("postman")
def postman(iostream: IOStream) -> None:
    """One errand after the other, for as long as the user likes."""
    counter = Counter()
    while True:
        counter.take(iostream.input("Next?"))


@on_connect("desk")
def desk(iostream: IOStream) -> None:
    """Its code is another one in version 2."""
    iostream.input()
    iostream.step("look up the order" if VERSION == "1" else "look up the customer", lambda: VERSION)
    iostream.input("Anything else?")


@on_connect("courier")
def courier(iostream: IOStream) -> None:
    """Delivers without a model: each message is a parcel."""
    parcel = iostream.input()
    iostream.print(iostream.step("deliver", lambda: deliver(parcel)))


@on_connect("greeter")
def greeter(iostream: IOStream) -> None:
    """Answers without a model."""
    iostream.input()
    iostream.post("Good day.")


@on_connect("patient")
def patient(iostream: IOStream) -> None:
    """Waits for all that a run can wait for, and notes each once in the ledger."""
    name = iostream.input()

    def note(what: str) -> None:
        iostream.step(f"note {what}", lambda: ledger.write(FOLDER, f"{what} {name}"))

    note(paid := iostream.wait_for("paid"))
    iostream.print(f"paid {paid}")
    iostream.wait_for_row(get_user_model(), username=name)
    note("row")
    iostream.print("the row is there")
    note(paid := iostream.wait_for("paid"))
    iostream.print(f"paid {paid}")
    note(answer := iostream.input("May they?", to=group("support"), shown=True))
    iostream.print(f"a colleague says {answer}")
    note(answer := iostream.input("And you?"))
    iostream.print(f"you say {answer}")


@on_connect("switchboard")
def switchboard(iostream: IOStream) -> None:
    """Hands over, and says what it has heard; notes both in the ledger, once."""
    name = iostream.input()
    heard = len(iostream.hand_over(to=group("care")).messages)
    iostream.step("note", lambda: ledger.write(FOLDER, f"{heard} {name}"))
    iostream.print(f"heard {heard}")
    iostream.input("And now?")
    iostream.step("note the end", lambda: ledger.write(FOLDER, f"end {name}"))
    iostream.print(" | ".join(each["content"].rpartition("assistant): ")[2] for each in iostream.said))


@on_connect("printer")
def printer(iostream: IOStream) -> None:
    """Prints as many lines as it is told to, in bursts, with a step now and then."""
    for number in range(int(iostream.input())):
        iostream.print(number)
        if number % 200 == 199:
            iostream.step("rest", lambda: time.sleep(0.02))
        elif number % 10 == 9:
            time.sleep(0.01)


@on_connect("spender")
def spender(iostream: IOStream) -> None:
    """Asks a model again and again, until its budget is used up."""
    iostream.input()
    clerk = ConversableAgent("clerk", llm_config=llm_config())
    while True:
        clerk.generate_reply([{"role": "user", "content": "Hello"}])


@on_connect("bomb")
def bomb(iostream: IOStream) -> None:
    """Ends its process, as an extension or the want of memory may, unless it is defused."""
    parcel = iostream.input()
    ledger.write(FOLDER, f"open {parcel}")
    ledger.pass_door(FOLDER, parcel)
    if not (FOLDER / "defused").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    iostream.print("It was a clock.")


@on_connect("sender")
def sender(iostream: IOStream) -> None:
    """Sends a file; its process dies first while that is stored, and then before it is recorded."""
    iostream.input()
    ledger.pass_door(FOLDER, "label")
    sent = iostream.send_file("label.txt", f"parcel {len(ledger.read(FOLDER))}")
    iostream.print(sent.read().decode())


def _die_over_a_label(instance: Any, **_: Any) -> None:
    if instance.name != "label.txt":
        return
    ledger.write(FOLDER, f"stored {len(ledger.read(FOLDER))}")
    match sum(ledger.read(FOLDER).values()):
        case 1:  # the bytes are stored, and the row is not committed
            os.kill(os.getpid(), signal.SIGKILL)
        case 2:  # both are, and the step is not recorded
            transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))


post_save.connect(_die_over_a_label, sender="agentchat.StoredFile")
