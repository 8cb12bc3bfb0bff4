"""The arguments that the demo model passes to a tool, from the tool's JSON schema and the user's text."""

import math
import re
from collections.abc import Mapping
from typing import Any

from agentchat.llm.demo.words import MAX_READ_CHARS, UNSPECIFIC, numbers_in, stem, stems_of

_CITY_PARAMETER = re.compile("city|town|place|location", re.I)
_PREPOSITION = re.compile(r"\b(?:in|for|at|of|about|für|في)\s+", re.I)
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
_NEXT_TO_WEATHER = re.compile(
    r"\b([A-Z][\w'\u2019-]+)(?:'s|\u2019s)?\s+(?:weather|forecast)|(?:weather|forecast)\s+([A-Z][\w'\u2019-]+)"
)
_AND = r"(?:(?:and|or|und|oder)\b|و(?=\w))"  # the Arabic one is part of the next word
_FORMATS = {  # how a text of this format looks, and one
    "date": (r"\d{4}-\d\d-\d\d", "2030-01-31"),
    "date-time": (r"\d{4}-\d\d-\d\dT[\d:]+Z", "2030-01-31T12:00:00Z"),
    "time": (r"\d\d:\d\d(?::\d\d)?", "12:00:00"),
    "duration": (r"P\w+", "P1D"),
    "email": (r"[\w.+-]+@[\w-]+\.[\w.-]*\w", "ada@example.org"),
    "uri": (r"https?://\S+", "https://example.org/"),
    "uuid": (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "00000000-0000-4000-8000-000000000000"),
}
_CODE_PARAMETER = re.compile(r"(?:\b|_)(?:id|number|no|code|key|ref|reference|sku)(?:\b|_)", re.I)
_TEXT_PARAMETER = re.compile("text|message|query|question|prompt|task|topic|content|note|comment|description", re.I)
_MAX_DEPTH = 4  # of what contains itself
_FAR = 2**53
MAX_CITIES = 3


def cities_in(text: str) -> list[str]:
    """The cities that a weather question asks about; Paris if it names none."""
    text = text[:MAX_READ_CHARS]
    for match in _PREPOSITION.finditer(text):
        place = _CITY_ENDS.split(text[match.end() :], maxsplit=1)[0].strip(" ,")
        if not _NO_CITY.match(place):
            return [_capitalized(city) for city in _split_places(place)][:MAX_CITIES]
    if neighbour := _NEXT_TO_WEATHER.search(text):
        city = neighbour[1] or neighbour[2]
        if city not in ("What", "The", "How", "Which"):
            return [city]
    return ["Paris"]


def _split_places(place: str) -> list[str]:
    """One place (also "Paris, France"), or several: "Paris, Rome and Oslo"."""
    if not re.search(rf"\s{_AND}|&", place):
        return [place]
    return [part for part in re.split(rf"\s*(?:,|&|\b{_AND})\s*", place) if part]


def _capitalized(city: str) -> str:
    return city.title() if city.islower() else city


def arguments_for(function: Mapping[str, Any], text: str, *, city: str | None = None) -> dict[str, Any]:
    """Valid arguments for the function: the required ones, and the city for every parameter that takes one."""
    return _ArgumentGenerator(function, text, city).arguments()


class _ArgumentGenerator:
    """Generates values for one call. The numbers in the text are used up in their order."""

    def __init__(self, function: Mapping[str, Any], text: str, city: str | None) -> None:
        self._schema = function.get("parameters") or {}
        self._definitions = {**(self._schema.get("definitions") or {}), **(self._schema.get("$defs") or {})}
        self._tool = f"{function.get('name') or ''} {function.get('description') or ''}".strip()
        self._whole_text, self._text = text, text[:MAX_READ_CHARS]
        self._city = city
        self._numbers = numbers_in(self._text)

    def arguments(self) -> dict[str, Any]:
        return self._object(self._schema, 0, always=_CITY_PARAMETER if self._city else None)

    def _object(self, schema: Mapping[str, Any], depth: int, always: re.Pattern[str] | None = None) -> dict[str, Any]:
        required = schema.get("required") or ()
        return {
            name: self._value(name, part, depth + 1)
            for name, part in (schema.get("properties") or {}).items()
            if name in required or (always and always.search(name))
        }

    def _value(self, name: str, schema: Mapping[str, Any], depth: int) -> Any:
        schema = self._resolved(schema, depth)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if schema.get("enum"):
            mentioned = (choice for choice in schema["enum"] if str(choice).lower() in self._text.lower())
            return next(mentioned, schema["enum"][0])
        match _type_of(schema):
            case "integer":
                return int(self._number(schema, whole=True))
            case "number":
                return self._number(schema, whole=False)
            case "boolean":
                return True
            case "array":
                return self._array(name, schema, depth)
            case "object":
                return self._object(schema, depth)
            case "null":
                return None
            case _:
                return self._string(name, schema)

    def _resolved(self, schema: Mapping[str, Any], depth: int) -> Mapping[str, Any]:
        if "$ref" in schema:
            return self._resolved(self._definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1], {}), depth)
        choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
        if not choices or "default" in schema:
            return schema
        wanted = [choice for choice in choices if (choice.get("type") == "null") == (depth > _MAX_DEPTH)]
        return self._resolved((wanted or choices)[0], depth)

    def _array(self, name: str, schema: Mapping[str, Any], depth: int) -> list[Any]:
        if "prefixItems" in schema:
            return [self._value(name, part, depth + 1) for part in schema["prefixItems"]]
        items, fewest = schema.get("items") or {}, schema.get("minItems", 0)
        if depth > _MAX_DEPTH and not fewest:
            return []
        is_numeric = _type_of(self._resolved(items, depth)) in ("integer", "number")
        count = min(max(fewest, len(self._numbers) if is_numeric else 0, 1), schema.get("maxItems", math.inf))
        values = [self._value(name, items, depth + 1) for _ in range(int(count))]
        return (
            [value for n, value in enumerate(values) if value not in values[:n]]
            if schema.get("uniqueItems")
            else values
        )

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> float:
        low, high = _bounds(schema, whole)
        number: float = min(max(self._numbers.pop(0) if self._numbers else 1, low), high)
        step = schema.get("multipleOf")
        if not step:
            return number
        below: float = math.floor(number / step) * step
        return below if below >= low else below + step

    def _string(self, name: str, schema: Mapping[str, Any]) -> str:
        if schema.get("format") in _FORMATS:
            pattern, example = _FORMATS[schema["format"]]
            found = re.search(pattern, self._text)
            return found[0] if found else example
        text = self._free_text(name, str(schema.get("description") or ""))
        if form := schema.get("pattern"):
            candidates = [text, *map(str, re.findall(r"[\w-]+", self._text))]
            text = next((candidate for candidate in candidates if re.search(form, candidate)), text)
        shortest: int = schema.get("minLength", 0)
        return text.ljust(shortest, ".")[: schema.get("maxLength")]

    def _free_text(self, name: str, description: str) -> str:
        if self._city and _CITY_PARAMETER.search(name):
            return self._city
        if quoted := re.search(r"[\"“«](.+?)[\"”»]", self._text):
            return quoted[1]
        if _CITY_PARAMETER.search(name):
            return cities_in(self._text)[0]
        codes = re.findall(r"[\w-]*\d[\w-]*", self._text)
        if codes and _CODE_PARAMETER.search(f"{name} {description}"):
            return str(codes[0])
        return self._subject(name) or self._whole_text.strip()

    def _subject(self, name: str) -> str:
        """What is left of the text without the words that any text has, and those of the tool: "chair"."""
        if not self._tool or _TEXT_PARAMETER.search(name):
            return ""
        known = stems_of(f"{self._tool} {name}")
        left = [word for word in re.findall(r"[^\W_]+", self._text) if word.lower() not in UNSPECIFIC]
        left = [word for word in left if stem(word) not in known and not word.isdecimal()]
        return " ".join(left) if len(left) <= 3 else ""


def _bounds(schema: Mapping[str, Any], whole: bool) -> tuple[float, float]:
    low: float = schema.get("minimum", -_FAR)
    high: float = schema.get("maximum", _FAR)
    if (limit := schema.get("exclusiveMinimum")) is not None:
        low = max(low, math.floor(limit) + 1 if whole else math.nextafter(limit, math.inf))
    if (limit := schema.get("exclusiveMaximum")) is not None:
        high = min(high, math.ceil(limit) - 1 if whole else math.nextafter(limit, -math.inf))
    return low, high


def _type_of(schema: Mapping[str, Any]) -> str | None:
    type_ = schema.get("type")
    if isinstance(type_, list):
        return next((each for each in type_ if each != "null"), "null")
    return type_
