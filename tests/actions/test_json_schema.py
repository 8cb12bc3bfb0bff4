"""The check of a value against a form's schema: bounded in time, in what it takes and in what it says."""

import sys
from typing import Annotated, Any, Literal, Union

import pytest
from pydantic import BaseModel, ConfigDict, Field

from agentchat.actions import json_schema
from agentchat.errors import Rejected

MOST_CALLS = 150_000  # 0.15 s, with a microsecond for each
COLLIDING = 2**61 - 1  # Python's hash of each of its multiples is 0


def form(**properties):
    return {"type": "object", "properties": properties}


def problems(schema, value, *, max_chars=96_000):
    """What the check says: {} for nothing, {"": code} where the value as a whole is refused."""
    try:
        json_schema.check_schema(schema, value, max_chars=max_chars)
    except Rejected as rejected:
        return rejected.errors or {"": rejected.reason}
    return {}


def calls_of(function):
    """How many functions are called in it, those in C included."""
    count = 0

    def profile(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


def nested(depth, value, name="child"):
    for _ in range(depth):
        value = {name: value}
    return value


class Left(BaseModel):
    child: Union["Left", "Right", None] = None


class Right(BaseModel):
    child: Union["Left", "Right", None] = None


class Leaf(BaseModel):
    kind: Literal["leaf"]


class Branch(BaseModel):
    kind: Literal["branch"]
    child: Annotated[Union["Branch", Leaf], Field(discriminator="kind")]


LISTS = {"$ref": "#", "anyOf": [{"type": "array", "items": {"$ref": "#"}}] * 3}

HOSTILE: dict[str, tuple[dict[str, Any], Any]] = {
    "a pattern that backtracks": (form(x={"type": "string", "pattern": "^(a+)+$"}), {"x": "a" * 60_000 + "!"}),
    "a pattern of names": ({"type": "object", "patternProperties": {"^(a+)+$": {}}}, {"a" * 60_000 + "!": 1}),
    "names that are checked": ({"propertyNames": {"pattern": "^(a|aa)+$"}}, {"a" * 60_000 + "!": 1}),
    "unequal objects": (form(x={"uniqueItems": True}), {"x": [{"a": [n]} for n in range(660)]}),
    "numbers of one hash": (form(x={"uniqueItems": True}), {"x": [n * COLLIDING for n in range(1_990)]}),
    "a wide list": (form(x={"items": {"type": "integer", "minimum": 3}}), {"x": [1] * 1_990}),
    "a wider list": (form(x={"type": "array"}), {"x": [1] * 100_000}),
    "a wide object": (form(x={"additionalProperties": {"type": "string"}}), {"x": {f"k{n}": n for n in range(1_990)}}),
    "alternatives of alternatives": (Left.model_json_schema(), nested(28, {})),
    "alternatives, none of them right": (Left.model_json_schema(), nested(28, 5)),
    "a long text below alternatives": (Left.model_json_schema(), nested(12, "x" * 60_000)),
    "lists of lists": (LISTS, [[[[[[[[[[["x" * 60_000]]]]]]]]]]]),
    "a long list of options": (form(x={"items": {"enum": list(range(5_000))}}), {"x": [-1] * 1_990}),
    "fields that are not in the form": (form(x={}), {"N" * 32_000: {f"k{n}": n for n in range(1_900)}}),
    "a large number": (form(x={"type": "number", "multipleOf": 0.01, "maximum": 1e300}), {"x": 10**4_299}),
    "a schema of itself": ({"allOf": [{"$ref": "#"}]}, {"x": 1}),
    "nesting": (form(x={}), {"x": nested(150, 1)}),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_no_value_takes_long_and_no_rejection_is_long(case):
    schema, value = HOSTILE[case]
    said: list[dict[str, str]] = []
    calls = calls_of(lambda: said.append(problems(schema, value)))
    assert calls < MOST_CALLS
    assert sum(map(len, [*said[0], *said[0].values()])) < 2 * json_schema.MAX_ERRORS * json_schema.MAX_MESSAGE_CHARS


def test_the_count_of_calls_notices_what_takes_long(monkeypatch):
    schema, value = HOSTILE["alternatives, none of them right"]
    monkeypatch.setattr(json_schema, "MAX_STEPS", 4 * json_schema.MAX_STEPS)
    assert calls_of(lambda: problems(schema, value)) > MOST_CALLS


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (form(x={"type": "string", "pattern": "^(a+)+$"}), {"x": "a" * 500}),
        (form(x={"uniqueItems": True}), {"x": [1, "1", True, None, [1], {"a": 1}]}),
        (form(x={"type": "number", "multipleOf": 0.1}), {"x": 0.3}),
        (form(x={"type": "integer", "multipleOf": 7}), {"x": 7 * 10**400}),
        (form(x={"type": "string", "maxLength": 10**400}), {"x": "short"}),
        (form(x={"enum": [1, "a", None]}), {"x": None}),
        (form(x={"items": {"type": "string"}}), {"x": ["a line"] * 1_000}),
        (Left.model_json_schema(), nested(5, {})),
        (Branch.model_json_schema(), {"kind": "branch", "child": {"kind": "leaf"}}),
        (
            Branch.model_json_schema(),
            {"kind": "branch", "child": {"kind": "branch", "child": {"kind": "branch", "child": {"kind": "leaf"}}}},
        ),
        (form(x={"pattern": "(?=a)b"}), {"x": "of an older version, judged by the model alone"}),
    ],
)
def test_what_fits_is_accepted(schema, value):
    assert problems(schema, value) == {}


@pytest.mark.parametrize(
    ("schema", "value", "field"),
    [
        (form(x={"type": "string", "pattern": "^a+$"}), {"x": "ab"}, "x"),
        (form(x={"uniqueItems": True}), {"x": [{"a": 1, "b": 2}, {"b": 2.0, "a": 1}]}, "x"),
        (form(x={"uniqueItems": True}), {"x": [1, 1.0]}, "x"),
        (form(x={"multipleOf": 0.1}), {"x": 0.25}, "x"),
        (form(x={"multipleOf": 0.1}), {"x": 1e-300}, "x"),
        (form(x={"enum": [1]}), {"x": True}, "x"),
        (form(x={"anyOf": [{"type": "string", "minLength": 3}, {"type": "null"}]}), {"x": "ab"}, "x"),
        (form(x={"anyOf": [{"type": "string"}, {"type": "integer"}]}), {"x": []}, "x"),
        (form(x={"patternProperties": {"^n": {"type": "integer"}}}), {"x": {"n1": "one"}}, "x.n1"),
        (Branch.model_json_schema(), {"kind": "branch", "child": {"kind": "twig"}}, "child"),
        (Branch.model_json_schema(), {"kind": "branch", "child": {"kind": "leaf", "more": 1}}, "child"),
        (form(x={"format": "email"}), {"x": "nobody"}, "x"),
        ({**form(x={}), "required": ["x"]}, {}, "x"),
    ],
)
def test_what_does_not_fit_is_rejected_at_its_field(schema, value, field):
    assert list(problems(schema, value)) == [field]


class Address(BaseModel):
    city: str


class Order(BaseModel):
    address: Address
    others: list[Address] = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    notes: dict[str, int] = {}


def test_fields_that_are_not_in_the_form_are_rejected_however_deep():
    ada = {"city": "London"}
    assert problems(Order.model_json_schema(), {"address": ada, "others": [ada]}) == {}
    assert list(problems(Order.model_json_schema(), {"address": ada, "twice": True})) == [""]
    assert list(problems(Order.model_json_schema(), {"address": {**ada, "zip": 1}})) == ["address"]
    assert list(problems(Order.model_json_schema(), {"address": ada, "others": [ada, {**ada, "zip": 1}]})) == [
        "others.1"
    ]


def test_a_form_may_welcome_other_fields():
    assert problems(Open.model_json_schema(), {"notes": {"any": 1}, "more": True}) == {}
    parts = {"allOf": [form(x={}), form(y={})]}
    assert problems(parts, {"x": 1, "y": 2}) == {}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_is_rejected(number):
    assert problems(form(x={"type": "number"}), {"x": number}) == {"": "invalid"}
    assert problems(form(x={}), {"x": [{"y": number}]}) == {"": "invalid"}


def test_a_value_is_bounded_before_it_is_checked():
    everything: dict[str, Any] = {}
    assert problems(everything, nested(json_schema.MAX_NESTING, 1)) == {}
    assert problems(everything, nested(json_schema.MAX_NESTING + 1, 1)) == {"": "invalid"}
    assert problems(everything, [1] * (json_schema.MAX_PARTS - 1)) == {}
    assert problems(everything, [1] * json_schema.MAX_PARTS) == {"": "invalid"}
    assert problems(everything, {"a" * 50: "b" * 50}, max_chars=100) == {}
    assert problems(everything, {"a" * 50: "b" * 51}, max_chars=100) == {"": "too_large"}
