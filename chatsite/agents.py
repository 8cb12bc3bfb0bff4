"""Agent functions to try. They know nothing of pages: `manage.py chat weather` runs the same one. Django translates
what users read of them; what models read is English.

`weather` uses a tool, and ends after each answer. `assistant` continues: after each reply it asks the user for the next
message, and waits for as long as that takes. `team` is a group chat of three. `refunds` asks its user for a form, and
staff for approval before its tool pays; whoever asks for a person talks to one.
"""

import re
import zlib
from typing import Annotated, Any, Literal

from django.utils.translation import gettext_lazy as _
from pydantic import BaseModel, Field

from agentchat import (
    Agent,
    ConversableAgent,
    GroupChat,
    GroupChatManager,
    IOStream,
    UserProxyAgent,
    current_call,
    llm_config,
    on_connect,
    register_function,
    reply,
    staff,
)

SKIES = ("sunny", "cloudy", "rainy", "windy", "foggy", "snowy")


def weather_forecast(city: Annotated[str, "the city's name"]) -> str:
    """A made-up forecast, always the same for a city."""
    number = zlib.crc32(city.strip().casefold().encode())
    sky, degrees = SKIES[number % len(SKIES)], number // len(SKIES) % 35 - 5
    return f"The made-up forecast for {city.strip()}: {sky}, {degrees} °C. No weather service was called."


def says_terminate(message: dict[str, Any]) -> bool:
    return (message.get("content") or "").rstrip().endswith("TERMINATE")


@on_connect(
    "weather",
    title=_("Weather desk"),
    description=_("Uses a tool to look up a made-up forecast."),
    prompts=[_("What is the weather in Paris?"), _("Compare the weather in Oslo and Cairo.")],
)
def weather(iostream: IOStream) -> None:
    message = iostream.input()
    agent = ConversableAgent(
        "chatbot",
        system_message="Complete the task you are given, and reply TERMINATE when it is done. If asked about the "
        "weather, use the tool weather_forecast(city), and say that its forecasts are made up.",
        llm_config=llm_config(),
    )
    user_proxy = UserProxyAgent(
        "user_proxy",
        human_input_mode="NEVER",
        is_termination_msg=says_terminate,
        max_consecutive_auto_reply=10,
    )
    register_function(
        weather_forecast,
        caller=agent,
        executor=user_proxy,
        description="The weather forecast for a city.",
        retry_safe=True,  # it changes nothing: after a crash it may be called again
    )
    user_proxy.initiate_chat(agent, message=message)


@on_connect(
    "assistant",
    title=_("Assistant"),
    description=_("Talks about anything and remembers the conversation."),
    prompts=[_("What can you do?"), _("Show me a table and a piece of code.")],
    uploads=["image/*", "application/pdf", "text/*"],
)
def assistant(iostream: IOStream) -> None:
    agent = ConversableAgent(
        "assistant", system_message="You are a helpful assistant. Answer in Markdown.", llm_config=llm_config()
    )
    while True:
        iostream.input()
        reply(iostream, agent)


MEMBERS = {
    "planner": (
        "Says what the text needs, and in which order. Speaks first.",
        "You are the planner of a team that writes short texts. Say in a few points what the text needs, and hand over "
        "to the writer by name. Do not write it yourself.",
    ),
    "writer": (
        "Writes a draft, and a better one when the critic has spoken.",
        "You are the writer of a team. Write the text by the plan, then by what the critic says. Give the whole text "
        "each time, and hand over to the critic by name.",
    ),
    "critic": (
        "Reads each draft, and says what to change or that it is done.",
        "You are the critic of a team. Say shortly what is missing in the first draft, and hand over to the writer by "
        "name. When a later draft is good, say so and end with TERMINATE.",
    ),
}


@on_connect(
    "team",
    title=_("Writing team"),
    description=_("A planner, a writer and a critic work on a short text together."),
    prompts=[_("Write a welcome note for a new colleague.")],
)
def team(iostream: IOStream) -> None:
    task = iostream.input()
    model = llm_config()
    members: list[Agent] = [
        ConversableAgent(name, system_message, description=description, llm_config=model, human_input_mode="NEVER")
        for name, (description, system_message) in MEMBERS.items()
    ]
    manager = GroupChatManager(
        GroupChat(members, max_round=8, allow_repeat_speaker=False),  # a model selects the next speaker
        llm_config=model,
        is_termination_msg=says_terminate,
    )
    person = UserProxyAgent("person", human_input_mode="NEVER")
    person.initiate_chat(manager, message=task)


class Account(BaseModel):
    """The account to refund to."""

    holder: str = Field(min_length=2, title="Account holder")
    iban: str = Field(
        pattern=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$",
        title="IBAN",
        description="Any made-up IBAN works, such as DE02120300000000202051: no real money is sent.",
    )
    reason: Literal["damaged", "too late", "not wanted"] = Field(title="Why are you returning it?")


def look_up_order(order: Annotated[str, "the order's number"]) -> str:
    """What was ordered, and what it cost. The same for a number at all times."""
    return f"Order {order}: one kettle, {_price(order)} euros, delivered. It can be refunded."


WANTS_A_PERSON = re.compile(r"\b(person|human|mensch\w*)\b|شخص", re.IGNORECASE)


def _price(order: str) -> int:
    return 10 + zlib.crc32(order.encode()) % 90


@on_connect(
    "refunds",
    title=_("Refund desk"),
    description=_("Asks for your account; a colleague approves before it pays. No real money is sent."),
    prompts=[_("I'd like a refund for order 1017.")],
)
def refunds(iostream: IOStream) -> None:
    message = iostream.input()
    if WANTS_A_PERSON.search(message):
        iostream.hand_over(to=staff(), summary=message)
        return
    number = re.search(r"\d+", message)
    order = number[0] if number else iostream.input("What is the number of your order?").strip()
    account = iostream.ask(f"Where should the money for order {order} go?", Account)

    def pay_refund(order: Annotated[str, "the order's number"], euros: Annotated[float, Field(gt=0, le=100)]) -> str:
        """Pay an order back. Not twice: a bank would be given the key of the call."""
        return f"Pretended to pay {euros:g} euros for order {order} to {account.holder} (payment {current_call().key})."

    clerk = ConversableAgent(
        "clerk",
        system_message="You are the clerk of a refund desk. Use the tools for what you are told, once, and tell the "
        "customer in a sentence what came of it. Then reply TERMINATE.",
        llm_config=llm_config(),
    )
    desk = UserProxyAgent("desk", human_input_mode="NEVER", is_termination_msg=says_terminate)
    register_function(look_up_order, caller=clerk, executor=desk, retry_safe=True)
    register_function(pay_refund, caller=clerk, executor=desk, approval=True, to=staff())
    desk.initiate_chat(clerk, message=f'Look up order "{order}".')
    desk.initiate_chat(
        clerk,
        message=f'Pay the refund of {_price(order)} euros for order "{order}" ({account.reason}).',
        clear_history=False,
    )
