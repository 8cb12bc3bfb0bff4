"""Which types an argument may have: as a model sees them, and as the function gets them."""

import dataclasses
import enum
import re
from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple, NotRequired, Optional, Required, TypedDict

import pytest
import typing_extensions
from pydantic import BaseModel

from agentchat.errors import ConfigError, ToolError
from agentchat.tools import tool_of


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@dataclasses.dataclass
class Route:
    stops: list[Point]
    name: str | None = None


class Pair(NamedTuple):
    left: int
    right: int = 0


class Order(TypedDict):
    number: int
    note: NotRequired[str]


class Loose(TypedDict, total=False):
    number: Required[int]
    order: Order


class Modern(typing_extensions.TypedDict):
    number: int


class Chain(TypedDict):
    name: str
    next: "Chain | None"


@dataclasses.dataclass
class Tree:
    name: str
    children: "list[Tree]" = dataclasses.field(default_factory=list)


class Node(BaseModel):
    name: str
    children: list["Node"] = []


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Corner(enum.Enum):
    TOP = (0, 1)
    BOTTOM = (0, 0)


@dataclasses.dataclass(frozen=True)
class Parcel:
    order: Order
    corner: Corner = Corner.TOP
    points: list[Point] = dataclasses.field(default_factory=list)


class Shelf(NamedTuple):
    orders: list[Order]
    label: str = "new"


@dataclasses.dataclass
class Box:
    parcel: Parcel
    inner: "Box | None" = None


def tool_with(annotation, **default):
    def f(value):
        """F."""

    f.__annotations__ = {"value": annotation}
    if default:
        f.__defaults__ = (default["default"],)
    return tool_of(f)


def read(annotation, written):
    return tool_with(annotation).arguments(f'{{"value": {written}}}')["value"]


def schema_of(annotation, **default):
    """The schema of the value, with what it refers to in place."""
    parameters = tool_with(annotation, **default).schema()["function"]["parameters"]
    value = dict(parameters["properties"]["value"])
    if "$ref" in value:
        value |= parameters["$defs"][value.pop("$ref").rsplit("/", 1)[-1]]
    return value


@pytest.mark.parametrize(
    ("annotation", "written", "value"),
    [
        (Point, '{"x": 1}', Point(1)),
        (Point, '{"x": 1.0, "y": 2}', Point(1, 2)),
        (list[Point], '[{"x": 1}, {"x": 2}]', [Point(1), Point(2)]),
        (Optional[Point], "null", None),  # noqa: UP045
        (Route, '{"stops": [{"x": 1}]}', Route([Point(1)])),
        (Pair, '{"left": 1}', Pair(1)),
        (Pair, "[1, 2]", Pair(1, 2)),
        (dict[str, Pair], '{"a": {"left": 1, "right": 2}}', {"a": Pair(1, 2)}),
        (Order, '{"number": 1}', {"number": 1}),
        (list[Order], '[{"number": 1, "note": "x"}]', [{"number": 1, "note": "x"}]),
        (Order | None, '{"number": 1}', {"number": 1}),
        (Annotated[Order, "what was ordered"], '{"number": 1}', {"number": 1}),
        (Loose, '{"number": 1, "order": {"number": 2}}', {"number": 1, "order": {"number": 2}}),
        (Modern, '{"number": 1}', {"number": 1}),
        (Parcel, '{"order": {"number": 1}}', Parcel({"number": 1})),
        (Parcel, '{"order": {"number": 1}, "corner": "BOTTOM", "points": null}', Parcel({"number": 1}, Corner.BOTTOM)),
        (list[Shelf], '[{"orders": [{"number": 1}]}]', [Shelf([{"number": 1}])]),
        (
            Box,
            '{"parcel": {"order": {"number": 1}}, "inner": {"parcel": {"order": {"number": 2}}}}',
            Box(Parcel({"number": 1}), Box(Parcel({"number": 2}))),
        ),
        (Shelf | None, '{"orders": [], "label": "old"}', Shelf([], "old")),
        (Colour, '"r"', Colour.RED),
        (Level, "2.0", Level.HIGH),
        (Corner, '"TOP"', Corner.TOP),
        (list[Corner], '["TOP"]', [Corner.TOP]),
        (Literal[Colour.RED, "none"], '"r"', Colour.RED),
        (Literal[Colour.RED, "none"], '"none"', "none"),
        (dict[Colour, Level], '{"b": 1}', {Colour.BLUE: Level.LOW}),
    ],
)
def test_a_value_comes_as_its_type(annotation, written, value):
    got = read(annotation, written)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("annotation", "written", "value"),
    [
        (Tree, '{"name": "a", "children": [{"name": "b"}]}', Tree("a", [Tree("b")])),
        (Node, '{"name": "a", "children": [{"name": "b"}]}', Node(name="a", children=[Node(name="b")])),
        (
            Chain,
            '{"name": "a", "next": {"name": "b", "next": null}}',
            {"name": "a", "next": {"name": "b", "next": None}},
        ),
    ],
)
def test_a_type_may_contain_itself(annotation, written, value):
    assert read(annotation, written) == value
    assert "$ref" in str(schema_of(annotation))


@pytest.mark.parametrize(
    ("annotation", "written", "words"),
    [
        (Point, '{"x": "1"}', "value.x: Input should be a valid integer"),
        (Point, "{}", "value.x: "),
        (Point, '{"x": 1, "z": 2}', "value.z"),
        (Pair, "[]", "value.left|value.0"),
        (Order, "{}", "value.number: Field required"),
        (Order, '{"number": 1, "more": 2}', "value.more: Extra inputs are not permitted"),
        (Chain, '{"name": "a", "next": {"name": "b"}}', "value.next.*.next: Field required"),
        (Colour, '"RED"', "value: Input should be 'r' or 'b'"),
        (Corner, "[0, 1]", "value: Input should be one of 'TOP', 'BOTTOM'"),
    ],
)
def test_what_does_not_fit_is_named_for_the_model(annotation, written, words):
    with pytest.raises(ToolError, match=words):
        read(annotation, written)


@pytest.mark.parametrize("annotation", [Point, Pair, Order, Loose, Modern, Parcel, Shelf, Box])
def test_records_are_objects_for_the_model(annotation):
    schema = schema_of(annotation)
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["required"] == [next(iter(schema["properties"]))]
    assert "description" not in schema


def test_the_members_of_an_enum_without_json_values_are_named():
    assert schema_of(Corner, default=Corner.TOP) == {"type": "string", "enum": ["TOP", "BOTTOM"], "default": "TOP"}


def test_each_array_says_what_is_in_it():
    assert schema_of(tuple[int, int])["items"] == {"type": "integer"}
    assert schema_of(tuple[int, str])["items"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert schema_of(tuple[int, ...])["items"] == {"type": "integer"}


class Ring(TypedDict):
    next: "Nowhere"  # noqa: F821


class Later(TypedDict):
    number: int
    note: "NotRequired[str]"  # as `from __future__ import annotations` writes it


@pytest.mark.parametrize(
    ("annotation", "written", "value"),
    [
        (Later, '{"number": 1}', {"number": 1}),
        (list["Order"], '[{"number": 1}]', [{"number": 1}]),
        (Optional["Order"], '{"number": 1}', {"number": 1}),
        ("Order | None", '{"number": 1}', {"number": 1}),
        (dict[str, "Corner"], '{"a": "TOP"}', {"a": Corner.TOP}),
        (Annotated["Point", "where"], '{"x": 1}', Point(1)),
    ],
)
def test_names_in_texts_are_found(annotation, written, value):
    assert read(annotation, written) == value


@pytest.mark.parametrize("annotation", [type, Callable[[], int], re.Match, Ring])
def test_a_type_without_a_json_form_is_refused_when_it_is_registered(annotation):
    with pytest.raises(ConfigError, match="f cannot be a tool"):
        tool_with(annotation)


def test_a_schema_belongs_to_who_asked_for_it():
    tool = tool_with(Point)
    tool.schema()["function"]["parameters"].clear()
    assert tool.schema()["function"]["parameters"]["properties"]
