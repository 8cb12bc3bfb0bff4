"""Which tools the demo model calls, for functions as developers write them."""

from typing import Literal

import pytest

from agentchat.llm.demo.tool_choice import calls_for
from agentchat.tools import tool_of


def order_status(number: int) -> str:
    """Where an order is."""


def cancel_order(number: int, reason: str = "") -> str:
    """Cancel an order that has not been sent."""


def in_stock(article: str) -> int:
    """How many we have."""


def add(a: float, b: float) -> float:
    """Add two numbers."""


def total(amounts: list[float]) -> float:
    """The sum of all amounts."""


def now() -> str:
    """The current time."""


def convert(amount: float, currency: Literal["EUR", "USD"]) -> str:
    """Convert an amount of money to another currency."""


def weather_forecast(city: str) -> str:
    """Weather forecast for a city."""


def calls(text, *functions, before=(), called_before=False):
    described = [tool_of(function).schema()["function"] for function in functions]
    return calls_for([*before, text], described, called_before=called_before)


@pytest.mark.parametrize(
    ("text", "functions", "called"),
    [
        ("Where is my order 17?", [order_status], ("order_status", {"number": 17})),
        ("Where is my order 17?", [cancel_order, order_status], ("order_status", {"number": 17})),
        ("Please cancel order 17.", [order_status, cancel_order], ("cancel_order", {"number": 17})),
        ("Is a chair in stock?", [order_status, in_stock], ("in_stock", {"article": "chair"})),
        ("How many chairs do you have?", [in_stock], ("in_stock", {"article": "chairs"})),
        ("What is 2 plus 3.5?", [add], ("add", {"a": 2, "b": 3.5})),
        ("Add 2 and 3", [add, total], ("add", {"a": 2, "b": 3})),
        ("What is the sum of the amounts 1, 2 and 1,000?", [add, total], ("total", {"amounts": [1, 2, 1000]})),
        ("What time is it?", [now], ("now", {})),
        ("Convert 100 USD", [convert, add], ("convert", {"amount": 100, "currency": "USD"})),
        ("Wieviel Uhr ist es?", [now], ("now", {})),
        ("كم الساعة؟", [now], ("now", {})),
    ],
)
def test_the_tool_that_a_text_is_about_is_called(text, functions, called):
    assert calls(text, *functions) == [called]


@pytest.mark.parametrize(
    "text",
    ["Hello", "hi there!", "Thanks a lot!", "Danke!", "What can you do?", "My name is Ada", "Write a poem", "", " … "],
)
def test_small_talk_calls_nothing(text):
    assert calls(text, in_stock) == []


@pytest.mark.parametrize("text", ["Tell me a joke", "I need a holiday", "That is all for today."])
def test_of_several_tools_none_is_called_by_chance(text):
    assert calls(text, order_status, in_stock, now) == []


def test_the_only_tool_is_called_once_without_a_word_about_it():
    assert calls("Tell me a joke", now) == [("now", {})]
    assert calls("Tell me a joke", now, called_before=True) == []


def test_a_weather_tool_is_for_the_weather():
    assert calls("Tell me a joke", weather_forecast) == []
    assert calls("Will it rain in Oslo?", now, weather_forecast) == [("weather_forecast", {"city": "Oslo"})]
    before = ["Will it rain in Oslo?"]
    assert calls("And in Rome?", now, weather_forecast, before=before) == [("weather_forecast", {"city": "Rome"})]


def test_without_tools_nothing_is_called():
    assert calls("Where is my order 17?") == []
