"""The JSON schemas that services guarantee: closed objects with all of their fields."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel, ConfigDict, Field

from agentchat.llm.results.model_schema import NotStrict, schema_of, strict_form


class Sky(StrEnum):
    CLEAR = "clear"
    GREY = "grey"


class Place(BaseModel):
    """Where it is."""

    city: str = Field(min_length=1, description="as on a map")
    country: str | None = None


class Rain(BaseModel):
    kind: Literal["rain"]
    millimetres: float


class Snow(BaseModel):
    kind: Literal["snow"]
    depth: int = 0


class Forecast(BaseModel):
    place: Place
    day: date
    sky: Sky = Sky.CLEAR
    falls: Annotated[Rain | Snow, Field(discriminator="kind")] | None = None
    hours: list[int] = Field(default_factory=list, max_length=24)
    words: set[str] = set()


class Node(BaseModel):
    name: str
    children: list["Node"] = []


def objects_in(schema):
    if isinstance(schema, list):
        for each in schema:
            yield from objects_in(each)
    elif isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for each in schema.values():
            yield from objects_in(each)


@pytest.mark.parametrize("model", [Forecast, Node, Place])
def test_every_object_is_closed_and_has_all_of_its_fields(model):
    strict = strict_form(schema_of(model))
    jsonschema.Draft202012Validator.check_schema(strict)
    objects = list(objects_in(strict))
    assert objects
    for each in objects:
        assert each["additionalProperties"] is False
        assert each["required"] == list(each["properties"])


def test_what_may_be_left_out_may_be_null_instead():
    strict = strict_form(schema_of(Forecast))
    valid = {"place": {"city": "Paris", "country": None}, "day": "2030-01-31"}
    valid |= {"sky": None, "falls": None, "hours": None, "words": None}
    validator = jsonschema.Draft202012Validator(strict)
    assert validator.is_valid(valid)
    assert validator.is_valid({**valid, "falls": {"kind": "snow", "depth": 3}, "hours": [1]})
    assert not validator.is_valid({**valid, "day": None})
    assert not validator.is_valid({**valid, "falls": {"kind": "hail"}})
    assert not validator.is_valid({key: each for key, each in valid.items() if key != "sky"})


def test_rules_that_services_refuse_are_words():
    strict = strict_form(schema_of(Forecast))
    assert strict["$defs"]["Place"]["properties"]["city"] == {
        "type": "string",
        "description": "as on a map (minLength 1)",
    }
    assert strict["properties"]["day"]["description"] == "(format date)"
    assert strict["$defs"]["Place"]["description"] == "Where it is."
    text = str(strict)
    for word in ("'title'", "'default'", "'format'", "'discriminator'", "'oneOf'", "'uniqueItems'", "'const'"):
        assert word not in text


def test_a_model_that_contains_itself_has_its_fields_at_the_top():
    strict = strict_form(schema_of(Node))
    assert strict["properties"]["name"] == {"type": "string"}
    assert jsonschema.Draft202012Validator(strict).is_valid(
        {"name": "a", "children": [{"name": "b", "children": None}]}
    )


class AnyKey(BaseModel):
    counts: dict[str, int]


class AnyValue(BaseModel):
    value: Any


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Pair(BaseModel):
    pair: tuple[int, str]


class Listed(BaseModel):
    values: list[Any]


@pytest.mark.parametrize("model", [AnyKey, AnyValue, Open, Pair, Listed])
def test_what_no_service_can_guarantee_has_no_strict_form(model):
    with pytest.raises(NotStrict):
        strict_form(schema_of(model))
