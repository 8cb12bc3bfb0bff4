"""Patterns of forms: matched in linear time, or refused when the form is asked for."""

import re

import pytest
from pydantic import BaseModel, ConfigDict, Field

from agentchat.core.patterns import form_schema, matches
from agentchat.errors import ConfigError
from agentchat.io import IOStream


def model_with(field, annotation=str):
    return type("Form", (BaseModel,), {"__annotations__": {"x": annotation}, "x": field})


def test_a_pattern_that_backtracks_elsewhere_does_not_here():
    hostile = "a" * 30_000 + "!"
    assert not any(matches(pattern, hostile) for pattern in ("^(a+)+$", "^(a|aa)+$", "^(.*a){12}$", r"^(\w+\s?)*$"))
    assert matches("^(a+)+$", hostile[:-1])


def test_a_pattern_is_found_anywhere_as_json_schema_has_it():
    assert matches("b", "abc")
    assert not matches("^b", "abc")


@pytest.mark.parametrize("pattern", [r"^(?=.*\d).+$", r"(?<!a)b", r"^(a)\1$", "(", "a{1000}{1000}{1000}"])
def test_a_form_with_a_pattern_that_is_not_linear_is_refused_with_its_pattern(pattern):
    class Form(BaseModel):
        code: str = Field(json_schema_extra={"pattern": pattern})

    with pytest.raises(ConfigError, match=re.escape(repr(pattern))):
        form_schema(Form)
    with pytest.raises(ConfigError):
        IOStream.get_default().ask("Which code?", Form)


def test_patterns_are_found_wherever_a_form_may_have_them():
    lookahead = re.compile("^(?=a)a$")
    places = [
        model_with(Field(pattern=lookahead)),
        model_with(Field(default=None, pattern=lookahead), str | None),
        model_with(..., list[model_with(Field(pattern=lookahead))]),
        model_with(..., dict[str, model_with(Field(pattern=lookahead))]),
        model_with(Field(json_schema_extra={"patternProperties": {"(?=a)": {}}}), dict[str, int]),
        model_with(Field(json_schema_extra={"propertyNames": {"pattern": "(?=a)"}}), dict[str, int]),
    ]
    for form in places:
        with pytest.raises(ConfigError, match="linear"):
            form_schema(form)


def test_what_only_looks_like_a_pattern_is_none():
    class Form(BaseModel):
        model_config = ConfigDict(json_schema_extra={"examples": [{"pattern": "(?=a)"}]})

        pattern: str = Field(default="(?=a)", description="(?=a)")
        default: str = Field(default="x", pattern="^[a-z]$")
        options: dict[str, str] = {"pattern": "(?=a)"}

    assert set(form_schema(Form)["properties"]) == {"pattern", "default", "options"}
