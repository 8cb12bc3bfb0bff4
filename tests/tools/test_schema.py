"""What a model is told of a function, and which arguments fit."""

import enum
import functools
from datetime import date
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from agentchat.errors import ConfigError, ToolError
from agentchat.tools import tool_of


class Unit(enum.Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


class Place(BaseModel):
    city: str
    country: str = "FR"


def forecast(
    city: Annotated[str, "The town, in English"],
    days: Annotated[int, Field(description="how many", ge=1)] = 1,
    unit: Unit = Unit.CELSIUS,
    *,
    detail: Literal["short", "long"] = "short",
    when: date | None = None,
):
    """Tell the weather.

    More than a model needs to know.

    Args:
        city: overruled by the annotation
        unit: degrees of what
    """
    return (city, days, unit, detail, when)


def parameters_of(function):
    return tool_of(function, description="x").schema()["function"]["parameters"]


def test_the_schema_has_the_name_the_description_and_the_arguments():
    assert tool_of(forecast).schema() == {
        "type": "function",
        "function": {
            "name": "forecast",
            "description": "Tell the weather.",
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "required": ["city"],
                "properties": {
                    "city": {"type": "string", "description": "The town, in English"},
                    "days": {"type": "integer", "description": "how many", "minimum": 1, "default": 1},
                    "unit": {"$ref": "#/$defs/Unit", "description": "degrees of what", "default": "C"},
                    "detail": {"type": "string", "enum": ["short", "long"], "default": "short"},
                    "when": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None},
                },
                "$defs": {"Unit": {"title": "Unit", "type": "string", "enum": ["C", "F"]}},
            },
        },
    }


def test_name_and_description_can_be_given():
    function = tool_of(forecast, name="weather", description="Say it").schema()["function"]
    assert (function["name"], function["description"]) == ("weather", "Say it")


def test_a_tool_is_called_as_its_function_is():
    assert tool_of(forecast)("Paris", 2) == forecast("Paris", 2)


def test_a_tool_made_into_a_tool_keeps_what_is_not_given_anew():
    tool = tool_of(tool_of(forecast, name="weather", retry_safe=True), timeout=5)
    assert (tool.name, tool.retry_safe, tool.timeout, tool.function) == ("weather", True, 5, forecast)


def test_arguments_come_as_the_function_wants_them():
    written = '{"city": "Paris", "unit": "F", "when": "2026-11-22"}'
    assert tool_of(forecast).arguments(written) == {
        "city": "Paris",
        "unit": Unit.FAHRENHEIT,
        "when": date(2026, 11, 22),
    }


def test_what_json_cannot_say_otherwise_is_understood():
    def f(pair: tuple[int, int], share: float, places: list[Place]):
        """F."""

    arguments = tool_of(f).arguments('{"pair": [1, 2], "share": 1, "places": [{"city": "Paris"}]}')
    assert arguments == {"pair": (1, 2), "share": 1.0, "places": [Place(city="Paris")]}


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('{"city": 5}', "city: Input should be a valid string"),
        ('{"city": "Paris", "days": "5"}', "days: Input should be a valid integer"),
        ('{"city": "Paris", "days": true}', "days: Input should be a valid integer"),
        ('{"city": "Paris", "days": 0}', "days: Input should be greater than or equal to 1"),
        ('{"city": "Paris", "month": 5}', "month: Extra inputs are not permitted"),
        ('{"days": 5}', "city: Field required"),
        ('{"city": ', "the arguments are not JSON"),
        ("[]", "arguments: Input should be an object"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_words_for_the_model(written, words):
    with pytest.raises(ToolError, match=words):
        tool_of(forecast).arguments(written)


@pytest.mark.parametrize("written", ["", " ", "{}"])
def test_no_arguments_may_be_written_as_nothing(written):
    def now():
        """Tell the time."""

    assert tool_of(now).arguments(written) == {}


def test_parameters_may_have_names_that_pydantic_uses_itself():
    def f(schema: str, copy: int, model_config: str, _hidden: int, validate: bool = True):
        """F."""

    assert list(parameters_of(f)["properties"]) == ["schema", "copy", "model_config", "_hidden", "validate"]
    written = '{"schema": "a", "copy": 1, "model_config": "b", "_hidden": 2}'
    assert tool_of(f).arguments(written) == {"schema": "a", "copy": 1, "model_config": "b", "_hidden": 2}


def test_a_field_may_be_the_default():
    def f(count: int = Field(3, description="how many", le=5), size: int = Field(description="how big")):
        """F."""

    assert parameters_of(f)["properties"]["count"] == {
        "type": "integer",
        "description": "how many",
        "default": 3,
        "maximum": 5,
    }
    assert tool_of(f).arguments('{"size": 1}') == {"count": 3, "size": 1}


def test_methods_partials_and_callable_objects_can_be_tools():
    class Shop:
        """A shop."""

        def price(self, item: str) -> int:
            """Tell a price."""
            return len(item)

        def __call__(self, item: str) -> str:
            return item

    assert tool_of(Shop().price).schema()["function"]["name"] == "price"
    assert tool_of(Shop()).schema()["function"]["name"] == "Shop"
    partial = tool_of(functools.partial(forecast, days=2), name="two_days", description="x")
    assert partial.arguments('{"city": "Paris"}') == {"city": "Paris"}


def test_annotations_as_strings_are_read():
    namespace = {"__name__": __name__}
    exec(
        "from __future__ import annotations\ndef f(n: int, places: list[Place]):\n    'F.'",
        {**globals(), **namespace},
        namespace,
    )
    assert parameters_of(namespace["f"])["properties"]["n"] == {"type": "integer"}


def test_a_parameter_without_annotation_cannot_be_told():
    tool = tool_of(lambda a, b: a, name="f", description="x")
    with pytest.raises(ConfigError, match="annotate a, b"):
        tool.schema()
    assert tool.arguments('{"a": 1, "b": "2"}') == {"a": 1, "b": "2"}


def test_a_function_without_words_cannot_be_told():
    def f():
        pass

    with pytest.raises(ConfigError, match="no description"):
        tool_of(f).schema()


def test_a_name_that_models_refuse_is_refused_here():
    with pytest.raises(ConfigError, match="'<lambda>'"):
        tool_of(lambda: None, description="x").schema()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda *args: None, r"\*args"),
        (lambda **kwargs: None, r"\*\*kwargs"),
        (lambda a, /: None, "gives arguments by name"),
    ],
)
def test_arguments_need_names(function, words):
    with pytest.raises(ConfigError, match=words):
        tool_of(function, name="f", description="x")


def test_a_type_without_a_json_form_is_refused_at_once():
    class Opaque:
        pass

    def f(thing: Opaque):
        """F."""

    with pytest.raises(ConfigError, match="no JSON form"):
        tool_of(f)


def test_a_name_that_is_not_there_is_refused_at_once():
    def f(thing: "Nowhere"):  # noqa: F821
        """F."""

    with pytest.raises(ConfigError, match="Nowhere"):
        tool_of(f)
