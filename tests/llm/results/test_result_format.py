"""Reading a result from what a model has written."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator

from agentchat.core.model_json import MAX_NESTING
from agentchat.errors import ConfigError
from agentchat.llm.results import Misfit, result_format
from agentchat.llm.results.result_format import MAX_CHARS


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Animal(BaseModel):
    name: str
    size: Size = Size.SMALL
    born: date | None = None
    one: Cat | Dog | None = None


class Number(BaseModel):
    value: int


def read(model, written):
    return result_format(model).read(written)


def test_the_instance_has_the_types_of_the_model():
    written = '{"name": "Ada", "size": 2, "born": "2030-01-31", "one": {"kind": "dog", "tricks": ["sit"]}}'
    assert read(Animal, written) == Animal(
        name="Ada", size=Size.LARGE, born=date(2030, 1, 31), one=Dog(kind="dog", tricks=["sit"])
    )


@pytest.mark.parametrize(
    "written",
    [
        '{"name": "Ada"}',
        ' \n{"name": "Ada"}\n',
        'Here it is:\n```json\n{"name": "Ada"}\n```\nAnything else?',
        '```\n{"name": "Ada"}\n```',
        'Sure! {"name": "Ada"} Done.',
        '<think>perhaps {"name": "Bob"}?</think>\n{"name": "Ada"}',
        '[THINK]{[/THINK]{"name": "Ada"}',
        '{"name": "Ada", "size": null, "born": null}',
        '{"name": "Ada", "size": 1.0}',
    ],
)
def test_what_stands_around_the_json_is_left_out_and_a_null_is_a_field_that_is(written):
    format_ = result_format(Animal)
    assert format_.read(written) == Animal(name="Ada")
    text = format_.json_in(written)
    assert Animal.model_validate_json(text) == Animal(name="Ada")
    assert format_.read(text) == Animal(name="Ada")


@pytest.mark.parametrize("value", [2**53 + 1, -(2**63) - 1, 10**40])
def test_whole_numbers_stay_exact(value):
    assert read(Number, json.dumps({"value": value})).value == value
    assert json.loads(result_format(Number).json_in(json.dumps({"value": value})))["value"] == value


def test_a_line_break_within_a_text_is_one():
    assert read(Animal, '{"name": "Ada\nLovelace"}').name == "Ada\nLovelace"


@pytest.mark.parametrize(
    ("written", "reason", "is_json"),
    [
        ("", "it is not JSON: it is empty", False),
        (" \n", "it is not JSON: it is empty", False),
        ("I'd rather not.", "it is not JSON: ", False),
        ('{"name": "Ada"', "it is not JSON: ", False),
        ('{"name": "Ada", "name": "Bob"}', "the name 'name' more than once", False),
        ('{"name": NaN}', "NaN is not a JSON number", False),
        ('{"name": "x", "size": 1e999}', "too large", False),
        ('{"value": ' + "9" * 5000 + "}", "", False),
        ('{"name": ' + "[" * (MAX_NESTING + 1) + "}", "nested more than", False),
        ('{"name": 5}', "name: Input should be a valid string", True),
        ('{"size": 1}', "name: Field required", True),
        ('{"name": "x", "one": {"kind": "bird"}}', "one.Cat.kind", True),
        ("[]", "it does not fit", True),
        ('{"name": "' + "x" * MAX_CHARS + '"}', "longer than 262,144 characters", True),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_no_result_says_why(written, reason, is_json):
    with pytest.raises(Misfit) as raised:
        read(Animal, written)
    assert reason in str(raised.value)
    assert raised.value.is_json is is_json
    assert len(str(raised.value)) <= 2000


def test_no_answer_is_no_result_even_if_all_fields_have_defaults():
    class Optional(BaseModel):
        count: int = 0

    assert read(Optional, "{}").count == 0
    for written in ("", "\n", "null"):
        with pytest.raises(Misfit):
            read(Optional, written)


def test_a_null_that_no_default_stands_for_does_not_fit():
    with pytest.raises(Misfit, match="name: Field required"):
        read(Animal, '{"name": null}')


def test_what_a_validator_raises_of_any_kind_does_not_fit():
    class Picky(BaseModel):
        value: int

        @field_validator("value")
        @classmethod
        def check(cls, value):
            raise RuntimeError("never content")

    with pytest.raises(Misfit, match="never content"):
        read(Picky, '{"value": 1}')


def test_aliases_and_strictness_are_the_model_s():
    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)
        count: int = Field(alias="howMany")
        at: datetime

    assert read(Strict, '{"howMany": 3, "at": "2030-01-31T12:00:00Z"}').count == 3
    with pytest.raises(Misfit, match="howMany"):
        read(Strict, '{"howMany": "3", "at": "2030-01-31T12:00:00Z"}')


@dataclass
class Plain:
    name: str


class Callback(BaseModel):
    call: type


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (dict, "use a pydantic model"),
        (Plain, "use a pydantic model"),
        ("Animal", "use a pydantic model"),
        (RootModel[list[int]], "use a model with fields"),
        (Callback, "has no JSON form"),
    ],
)
def test_what_cannot_be_asked_for_is_a_config_error(model, message):
    with pytest.raises(ConfigError, match=message):
        result_format(model)
