"""The schemas of tools, as each service accepts them."""

import dataclasses
import json
import re
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import BaseModel, Field

from agentchat.llm.profiles import PROFILES, profile_for
from agentchat.llm.tool_schemas import function_for, tools_for
from agentchat.testing import say
from agentchat.tools import tool_of
from tests.llm.services import refusing


class Node(BaseModel):
    name: str
    children: list["Node"] = []
    parent: "Node | None" = None


@dataclasses.dataclass
class Point:
    x: int
    title: str = ""  # a property, not a word of JSON Schema


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Pair(NamedTuple):
    left: Point
    right: Point


def draw(
    where: Annotated[Point, "in the picture"],
    lines: list[Pair],
    tree: Node,
    size: tuple[int, int] = (1, 1),
    colour: Literal["red", "blue"] | None = None,
    width: Annotated[int, Field(ge=1, lt=9, description="in pixels")] = 2,
    level: Literal[1, 2] = 1,
    code: Annotated[str, Field(pattern=r"\d+")] = "1",
    anything: Any = None,
    options: dict[str, Point] | None = None,
    animal: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None,
) -> str:
    """Draw it."""


def now() -> str:
    """Tell the time."""


TOOLS = [tool_of(draw).schema(), tool_of(now).schema()]


def every_schema(schema):
    """Each schema within a schema, itself included."""
    yield schema
    for part in schema.get("properties", {}).values():
        yield from every_schema(part)
    for key in ("anyOf", "oneOf", "prefixItems"):
        for part in schema.get(key, ()):
            yield from every_schema(part)
    for key in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(key), dict):
            yield from every_schema(schema[key])


# --- what services refuse, in their words -----------------------------------------------------------------------------


def schemas_of(request):
    for tool in request.get("tools", ()):
        if parameters := tool["function"].get("parameters"):
            yield from every_schema(parameters)


def unknown_words(request):
    known = {"type", "description", "properties", "required", "items", "enum", "anyOf", "nullable"}
    for schema in schemas_of(request):
        if strange := set(schema) - known:
            return f"Invalid JSON payload received. Unknown name \"{min(strange)}\" at 'tools[0]': Cannot find field."
        if schema.get("type") == "object" and schema.get("properties") == {}:
            return "parameters.properties: should be non-empty for OBJECT type"
        if schema.get("type") == "null" or not all(isinstance(value, str) for value in schema.get("enum", ())):
            return "parameters.enum: only allowed for STRING type"
    return None


def words_beside_a_reference(request):
    if any("$ref" in schema and len(schema) > 1 for schema in schemas_of(request)):
        return "not a valid moonshot flavored json schema: conflicting keywords found after $ref expansion"
    return None


def no_type(request):
    for schema in schemas_of(request):
        if ("type" in schema) == bool("anyOf" in schema) and "enum" not in schema:
            return f"not a valid moonshot flavored json schema: type is not defined: {schema}"
    return None


def references(request):
    return "json: unknown field $ref" if "$ref" in json.dumps(request.get("tools", ())) else None


def patterns(request):
    if any("pattern" in schema for schema in schemas_of(request)):
        return "JSON schema conversion failed: Pattern must start with '^' and end with '$'"
    return None


def arrays_without_items(request):
    if any(schema.get("type") == "array" and "items" not in schema for schema in schemas_of(request)):
        return "Invalid schema for function 'draw': array schema missing items."
    return None


REFUSALS = {
    "openai": (arrays_without_items,),
    "kimi": (words_beside_a_reference, no_type),
    "gemini": (unknown_words, references),
    "ollama": (references,),
    "vllm": (references,),
    "llama.cpp": (references, patterns),
    "strict": (unknown_words, words_beside_a_reference, no_type, references, patterns, arrays_without_items),
}


@pytest.mark.parametrize("service", REFUSALS)
def test_each_service_accepts_the_tools(service, scripted_llm, ask):
    scripted_llm.always(refusing(*REFUSALS[service]))
    ask(scripted_llm.llm_config(profile=service), tools=TOOLS)
    assert len(scripted_llm.requests) == 1


def test_what_services_refuse_is_refused_in_these_tests():
    full = {"tools": TOOLS}
    refusals = {rule for rules in REFUSALS.values() for rule in rules} - {arrays_without_items}
    assert all(rule(full) for rule in refusals)
    assert arrays_without_items({"tools": [{"function": {"parameters": {"type": "array"}}}]})


@pytest.mark.parametrize(
    ("base_url", "model", "schemas"),
    [
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "gemini-2.5-flash", "plain"),
        ("https://openrouter.ai/api/v1", "google/gemini-3-pro", "plain"),
        ("https://gateway.example.com/v1", "kimi-k2.6", "inlined"),
        ("https://api.moonshot.ai/v1", "kimi-k3", "inlined"),
        ("http://localhost:11434/v1", "mistral-small", "inlined"),
        ("https://api.openai.com/v1", "gpt-5.4", "full"),
        ("https://api.mistral.ai/v1", "mistral-large-latest", "full"),
    ],
)
def test_the_form_is_chosen_by_address_and_model(base_url, model, schemas):
    assert profile_for(api_type="openai", base_url=base_url, model=model).schemas == schemas


def test_an_unknown_service_that_refuses_a_schema_is_asked_again_in_plain_words(scripted_llm, ask):
    scripted_llm.always(refusing(unknown_words))
    ask(scripted_llm.llm_config(), tools=TOOLS)
    asked = len(scripted_llm.requests)
    assert asked > 1
    ask(scripted_llm.llm_config(), tools=TOOLS)
    assert len(scripted_llm.requests) == asked + 1  # it is remembered


def test_functions_in_the_older_form_are_adapted_too(scripted_llm, ask):
    ask(scripted_llm.llm_config(profile="ollama", functions=[TOOLS[0]["function"]]))
    assert "$ref" not in json.dumps(scripted_llm.requests[0]["functions"])


@pytest.fixture(autouse=True)
def answers(scripted_llm):
    scripted_llm.always(say("ok"))


# --- what the model still reads ---------------------------------------------------------------------------------------


def plain(function):
    return function_for(tool_of(function).schema()["function"], "plain")


def test_in_plain_words_the_rules_are_in_the_descriptions():
    properties = plain(draw)["parameters"]["properties"]
    assert properties["width"] == {
        "type": "integer",
        "description": "in pixels (default 2, minimum 1, exclusiveMaximum 9)",
    }
    assert properties["level"] == {"type": "integer", "description": "(default 1, one of 1, 2)"}
    assert properties["colour"] == {"type": "string", "enum": ["red", "blue"]}
    assert properties["code"] == {"type": "string", "description": r"(default 1, pattern \d+)"}
    assert properties["where"]["description"] == "in the picture"
    assert list(properties["where"]["properties"]) == ["x", "title"]


def test_a_function_without_arguments_has_no_schema_in_plain_words():
    assert plain(now) == {"name": "now", "description": "Tell the time."}
    assert function_for(TOOLS[1]["function"], "inlined")["parameters"]["properties"] == {}


def test_a_type_that_contains_itself_ends_after_one_turn():
    tree = function_for(TOOLS[0]["function"], "inlined")["parameters"]["properties"]["tree"]
    assert tree["properties"]["children"]["items"] == {"type": "object", "description": "another Node"}


def test_definitions_that_refer_to_one_another_end():
    definitions = {f"d{n}": {"properties": {"next": {"$ref": f"#/$defs/d{n + 1}"}}} for n in range(50)}
    parameters = {"type": "object", "properties": {"first": {"$ref": "#/$defs/d0"}}, "$defs": definitions}
    assert json.dumps(function_for({"parameters": parameters}, "inlined")).count("properties") < 20


@pytest.mark.parametrize("schemas", ["inlined", "plain"])
@pytest.mark.parametrize(
    "parameters",
    [
        {"properties": {"x": {"$ref": "#/$defs/Nowhere"}}},
        {"properties": {"x": {"$ref": "https://example.org/x.json"}}},
        {"properties": {"x": {"$ref": "#"}}},
        {"properties": {"x": {"allOf": [{"$ref": "#/definitions/X"}]}}, "definitions": {"X": {"type": "string"}}},
        {"properties": {"x": True}},
        {"properties": {"x": {"type": ["string", "null"]}}},
        {"properties": {"x": {"oneOf": [{"const": "a"}, {"const": 1}]}}},
        {"properties": {"x": {"type": "object", "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}}},
    ],
)
def test_schemas_of_other_hands_are_understood(parameters, schemas):
    parameters = {"type": "object", **parameters}
    request = {"tools": tools_for([{"type": "function", "function": {"name": "f", "parameters": parameters}}], schemas)}
    assert references(request) is None
    assert no_type(request) is None
    assert list(request["tools"][0]["function"]["parameters"]["properties"]) == ["x"]


def test_what_is_full_or_no_function_stays_as_it_is():
    other = {"type": "web_search"}
    assert tools_for([*TOOLS, other], "full") == [*TOOLS, other]
    assert tools_for([other], "plain") == [other]
    before = json.dumps(TOOLS)
    tools_for(TOOLS, "plain")
    assert json.dumps(TOOLS) == before
    assert {profile.schemas for profile in PROFILES.values()} == {"full", "inlined", "plain"}
    assert re.search(r"\$ref", before)
