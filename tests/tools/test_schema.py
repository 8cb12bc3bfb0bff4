"""How a function is described to a model, and which arguments are valid."""

import enum
import functools
from datetime import date
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, Field

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


def test_a_tool_made_from_a_tool_keeps_what_is_not_given():
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
        ('{"city": ' + "[" * 100_000, "the arguments are not JSON: recursion limit exceeded"),
        ('{"city": ' + "[" * 100_000 + "]" * 100_000 + "}", "the arguments are not JSON: recursion limit exceeded"),
    ],
)
def test_invalid_arguments_are_refused_with_a_message_for_the_model(written, words):
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


def test_a_parameter_without_annotation_is_refused():
    tool = tool_of(lambda a, b: a, name="f", description="x")
    with pytest.raises(ConfigError, match="annotate a, b"):
        tool.schema()
    assert tool.arguments('{"a": 1, "b": "2"}') == {"a": 1, "b": "2"}


def test_a_function_without_description_is_refused():
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
        (lambda a, /: None, "passes arguments by name"),
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


@pytest.mark.parametrize(
    "written",
    [
        '{"city": "Paris", "days": null}',
        '{"city": "Paris", "unit": null, "detail": null}',
        '{"city": "Paris", "days": null, "when": null}',
    ],
)
def test_a_null_that_does_not_fit_means_the_default(written):
    arguments = tool_of(forecast).arguments(written)
    assert {**arguments, "when": None} == {"city": "Paris", "when": None}
    assert ("when" in arguments) is ("when" in written)  # where null is a value, it is passed


def test_a_null_within_an_argument_means_the_default_too():
    def f(places: list[Place], best: Place | int = 1):
        """F."""

    written = '{"places": [{"city": "Rome", "country": null}], "best": {"city": "Oslo", "country": null}}'
    assert tool_of(f).arguments(written) == {"places": [Place(city="Rome")], "best": Place(city="Oslo")}


@pytest.mark.parametrize(
    "written", ['{"city": null}', '{"city": null, "days": null}', '{"city": "Paris", "month": null}']
)
def test_a_null_for_what_is_needed_or_unknown_is_refused(written):
    with pytest.raises(ToolError, match=r"city: Input should be a valid string|month: Extra inputs"):
        tool_of(forecast).arguments(written)


def test_a_user_sees_the_arguments_as_json():
    tool = tool_of(forecast)
    written = '{"city": "New\nYork", "days": 5.0, "unit": "F", "detail": null, "when": "2026-11-22"}'
    assert tool.json_arguments(written) == {"city": "New\nYork", "days": 5, "unit": "F", "when": "2026-11-22"}
    assert tool_of(lambda: None, name="f").json_arguments(" ") == {}
    with pytest.raises(ToolError, match="city: Field required"):
        tool.json_arguments("")


class Database:
    """What no model can write."""


def refund(database: Database, euros: int, customer: int, *, note: str = "") -> str:
    """Pay money back.

    Args:
        euros: how much
    """
    return f"{euros} to {customer}"


@pytest.mark.parametrize(
    "function",
    [
        functools.partial(refund, Database(), customer=17),
        functools.partial(refund, database=Database(), customer=17),
        functools.partial(functools.partial(refund, Database()), customer=17),
    ],
)
def test_what_a_partial_has_fixed_is_not_the_models_affair(function):
    described = tool_of(function).schema()["function"]
    assert (described["name"], described["description"]) == ("refund", "Pay money back.")
    assert list(described["parameters"]["properties"]) == ["euros", "note"]
    assert described["parameters"]["properties"]["euros"]["description"] == "how much"
    assert described["parameters"]["required"] == ["euros"]
    tool = tool_of(function)
    assert tool(**tool.arguments('{"euros": 5.0}')) == "5 to 17"
    with pytest.raises(ToolError, match="customer: Extra inputs are not permitted"):
        tool.arguments('{"euros": 5, "customer": 18}')


def test_a_method_that_is_a_partial_can_be_a_tool():
    class Desk:
        def pay(self, euros: int, customer: int) -> int:
            """Pay."""
            return euros * customer

        pay_first = functools.partialmethod(pay, customer=1)

    tool = tool_of(Desk().pay_first)
    assert list(parameters_of(Desk().pay_first)["properties"]) == ["euros"]
    assert tool(**tool.arguments('{"euros": 2}')) == 2


def test_what_a_validator_of_the_sites_own_raises_is_told_to_the_model():
    def find(value):
        return {}[value]

    def order(number: Annotated[int, BeforeValidator(find)]) -> str:
        """Order."""

    with pytest.raises(ToolError, match=r"do not fit: KeyError\(7\)"):
        tool_of(order).arguments('{"number": 7}')
