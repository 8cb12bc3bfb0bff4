"""The arguments that the demo model passes to tools."""

import dataclasses
import enum
import json
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import pytest
from pydantic import AnyUrl, BaseModel, Field

from agentchat.llm.demo.arguments import arguments_for, cities_in
from agentchat.tools import tool_of


@pytest.mark.parametrize(
    ("question", "cities"),
    [
        ("What's the weather in Paris?", ["Paris"]),
        ("weather in san francisco tomorrow", ["San Francisco"]),
        ("How will the weather be in Saint-Étienne this weekend?", ["Saint-Étienne"]),
        ("Tell me about the weather in Rome and Oslo, please", ["Rome", "Oslo"]),
        ("Weather for Paris, Rome and Oslo", ["Paris", "Rome", "Oslo"]),
        ("What is the weather in Paris, France?", ["Paris, France"]),
        ("Tell me the weather in Kyoto and write a poem about it.", ["Kyoto"]),
        ("Is it raining in Bergen right now?", ["Bergen"]),
        ("London weather", ["London"]),
        ("weather Madrid", ["Madrid"]),
        ("Can you get the weather for me in Quito?", ["Quito"]),
        ("What's the weather like?", ["Paris"]),
        ("What is the weather like in München today?", ["München"]),
        ("Write a poem about the weather in New York City", ["New York City"]),
    ],
)
def test_it_finds_the_cities_in_the_question(question, cities):
    assert cities_in(question) == cities


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "take 3 of the red ones"),
        ({"type": "string", "enum": ["blue", "red"]}, "red"),
        ({"type": "string", "default": "x"}, "x"),
        ({"type": "string", "format": "date"}, "2030-01-31"),
        ({"const": 5}, 5),
        ({"type": "integer"}, 3),
        ({"type": "number", "minimum": 10}, 10),
        ({"type": "boolean"}, True),
        ({"type": "array", "items": {"type": "integer"}}, [3]),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 3),
        ({"$ref": "#/$defs/Size"}, {"cm": 3}),
        ({"type": "null"}, None),
    ],
)
def test_arguments_fit_the_schema(schema, value):
    size = {"type": "object", "properties": {"cm": {"type": "integer"}, "more": {}}, "required": ["cm"]}
    parameters = {"properties": {"it": schema, "more": {}}, "required": ["it"], "$defs": {"Size": size}}
    assert arguments_for({"parameters": parameters}, "take 3 of the red ones") == {"it": value}


class Node(BaseModel):
    name: str
    children: list["Node"]
    parent: "Node | None"


@dataclasses.dataclass
class Point:
    x: int
    y: float


class Pair(NamedTuple):
    left: int
    right: str


class Order(TypedDict):
    number: int
    lines: list[Pair]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Corner(enum.Enum):
    TOP = (0, 1)


@pytest.mark.parametrize(
    "text", ["Take 7 and 250 of the blue ones", "Anything", "", 'The "one" of 2026-11-22, €1,000.50']
)
@pytest.mark.parametrize(
    "annotation",
    [
        *(int, float, str, bool, None, Any, list, dict, date, datetime, time, timedelta, UUID, AnyUrl, Decimal),
        *(Node, Point, Pair, Order, Colour, Corner, list[Node], tuple[int, str], tuple[int, ...], dict[str, Point]),
        *(int | None, str | int, Point | str, Literal["a", 3], set[int], set[Colour]),
        Annotated[int, Field(gt=3, lt=5)],
        Annotated[int, Field(ge=-9, le=-2, multiple_of=3)],
        Annotated[float, Field(gt=0, lt=1)],
        Annotated[str, Field(min_length=30)],
        Annotated[str, Field(max_length=2)],
        Annotated[list[int], Field(min_length=3, max_length=3)],
    ],
)
def test_arguments_fit_whatever_a_tool_takes(annotation, text):
    def f(value, more: int = 5):
        """Do it."""

    f.__annotations__["value"] = annotation
    tool = tool_of(f)
    arguments = arguments_for(tool.schema()["function"], text)
    assert set(tool.arguments(json.dumps(arguments))) == {"value"}


@pytest.mark.parametrize(
    ("name", "schema", "value"),
    [
        ("number", {"type": "integer"}, 17),
        ("order", {"type": "string", "description": "the order's number"}, "17"),
        ("order_id", {"type": "string"}, "17"),
        ("order", {"type": "string", "pattern": r"^\d+$"}, "17"),
        ("question", {"type": "string"}, "Where is my order 17?"),
        ("days", {"type": ["integer", "null"]}, 17),
    ],
)
def test_what_a_parameter_is_called_says_what_of_the_text_it_takes(name, schema, value):
    function = {
        "name": "look_up",
        "description": "Look up.",
        "parameters": {"properties": {name: schema}, "required": [name]},
    }
    assert arguments_for(function, "Where is my order 17?") == {name: value}


def test_each_number_of_a_text_is_taken_once():
    parameters = {"properties": {name: {"type": "integer"} for name in "abc"}, "required": ["a", "b", "c"]}
    assert arguments_for({"parameters": parameters}, "7 times 8") == {"a": 7, "b": 8, "c": 1}


# A guest's message of 32 KB held up the server for a minute: the patterns compare each place with all that follows.


def test_cities_are_looked_for_at_the_beginning_of_a_text():
    assert cities_in("weather in Rome. " + "in a " * 6_000) == ["Rome"]
    assert cities_in("in a " * 6_000 + "weather in Rome") == ["Paris"]


def test_only_the_beginning_of_a_text_is_searched_and_all_of_it_may_be_passed_on():
    def note(text: str, amount: int) -> str:
        """Note."""

    function = tool_of(note).schema()["function"]
    for text, amount in (("a" * 32_000 + " 12", 1), ("12 " + "a" * 32_000, 12)):
        assert arguments_for(function, text) == {"text": text, "amount": amount}
