"""The arguments that the demo model gives to a tool: made from the tool's JSON schema and the person's words."""

import re
from collections.abc import Mapping
from typing import Any

_CITY_PARAMETER = re.compile("city|town|place|location", re.I)
_AFTER = re.compile(r"\b(?:in|for|at|of|about|für|في)\s+", re.I)
_CITY_ENDS = re.compile(
    r"[?؟!.:;()\n\"“”]|\s+(?:today|tonight|tomorrow|now|right|this|next|on|over|please|like|is|are|will|with|then"
    r"|and\s+(?:an?|the|then|also|please|write|make|tell|give|compose|what|how|do|should|in\s+a)|,?\s*(?:write|make|tell))\b",
    re.I,
)
_NO_CITY = re.compile(
    r"^(?:(?:a|an|the|my|your|our|me|us|you|it|this|that|it's|today|tomorrow|tonight|now|weather|forecast|week|weekend"
    r"|poem)\b|$)",
    re.I,
)
_BESIDE = re.compile(
    r"\b([A-Z][\w'\u2019-]+)(?:'s|\u2019s)?\s+(?:weather|forecast)|(?:weather|forecast)\s+([A-Z][\w'\u2019-]+)"
)
_AND = r"(?:(?:and|or|und|oder)\b|و(?=\w))"  # the Arabic one is part of the next word
_FORMATS = {
    "date": "2030-01-31",
    "date-time": "2030-01-31T12:00:00Z",
    "time": "12:00:00",
    "email": "ada@example.org",
}
MOST_CITIES = 3


def cities_in(text: str) -> list[str]:
    """The cities that a weather question asks about; Paris if it names none."""
    for match in _AFTER.finditer(text):
        place = _CITY_ENDS.split(text[match.end() :], maxsplit=1)[0].strip(" ,")
        if not _NO_CITY.match(place):
            return [_written_as_name(city) for city in _parts(place)][:MOST_CITIES]
    if beside := _BESIDE.search(text):
        city = beside[1] or beside[2]
        if city not in ("What", "The", "How", "Which"):
            return [city]
    return ["Paris"]


def _parts(place: str) -> list[str]:
    """One place, "Paris, France" too, or several: "Paris, Rome and Oslo"."""
    if not re.search(rf"\s{_AND}|&", place):
        return [place]
    return [part for part in re.split(rf"\s*(?:,|&|\b{_AND})\s*", place) if part]


def _written_as_name(city: str) -> str:
    return city.title() if city.islower() else city


def arguments_for(function: Mapping[str, Any], text: str, *, city: str | None = None) -> dict[str, Any]:
    """Arguments that fit the function's parameters: the required ones, and a city wherever one is wanted."""
    schema = function.get("parameters") or {}
    return _Maker(schema, text, city).object(schema, always=_CITY_PARAMETER if city else None)


class _Maker:
    """Makes values for the parts of one schema."""

    def __init__(self, schema: Mapping[str, Any], text: str, city: str | None) -> None:
        self._definitions = {**(schema.get("definitions") or {}), **(schema.get("$defs") or {})}
        self._text = text
        self._city = city

    def object(self, schema: Mapping[str, Any], always: re.Pattern[str] | None = None) -> dict[str, Any]:
        required = schema.get("required") or ()
        return {
            name: self._value(name, part)
            for name, part in (schema.get("properties") or {}).items()
            if name in required or (always and always.search(name))
        }

    def _value(self, name: str, schema: Mapping[str, Any]) -> Any:
        schema = self._resolved(schema)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if schema.get("enum"):
            mentioned = (choice for choice in schema["enum"] if str(choice).lower() in self._text.lower())
            return next(mentioned, schema["enum"][0])
        match schema.get("type"):
            case "integer":
                return int(self._number(schema))
            case "number":
                return self._number(schema)
            case "boolean":
                return True
            case "array":
                return [self._value(name, schema.get("items") or {})]
            case "object":
                return self.object(schema)
            case "null":
                return None
            case _:
                return self._string(name, schema)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" in schema:
            return self._resolved(self._definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1], {}))
        choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
        if choices and "default" not in schema:
            return self._resolved(next((choice for choice in choices if choice.get("type") != "null"), choices[0]))
        return schema

    def _number(self, schema: Mapping[str, Any]) -> float:
        least: float = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        found = re.search(r"-?\d+(?:\.\d+)?", self._text)
        return max(float(found[0]), least) if found else least

    def _string(self, name: str, schema: Mapping[str, Any]) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        if self._city and _CITY_PARAMETER.search(name):
            return self._city
        if quoted := re.search(r"[\"“«](.+?)[\"”»]", self._text):
            return quoted[1]
        if _CITY_PARAMETER.search(name):
            return cities_in(self._text)[0]
        return self._text.strip()
