"""Which tools the demo model calls: those that the user's last text is about, as far as words can tell.

A weather tool is called for weather questions. Of others, the one that shares most with the text: its name, the words
of its description and arguments, the numbers that it needs. The only tool of an agent is called in any case, once, for
whatever is more than a greeting: who has just registered it wants to see it called.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentchat.llm.demo.arguments import arguments_for, cities_in
from agentchat.llm.demo.words import UNSPECIFIC, numbers_in, stems_of

Function = Mapping[str, Any]
Wanted = tuple[str, dict[str, Any]]  # a tool's name and its arguments

_WEATHER = re.compile(
    r"\b(weather|forecast|temperature|rain\w*|snow\w*|sunny|umbrella|degrees|wetter|vorhersage|الطقس)\b", re.I
)
_FOLLOW_UP = re.compile(r"^\s*(and|what about|how about)\b.{0,40}\?*\s*$", re.I)
_CHATTER = re.compile(
    r"^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening|night)|thanks?|thank you|ok(?:ay)?|yes|no|bye|goodbye"
    r"|hallo|guten (?:morgen|tag|abend)|danke|ja|nein|مرحبا|شكرا|continue|go on|exit)\b[^?]{0,12}$"
    r"|\b(?:who are you|what can you do|my name|how are you|poems?)\b"
    r"|\b(?:long|detailed) (?:answer|story|text|reply|essay)\b",
    re.I,
)
_ENOUGH = 2  # words or numbers in common: one may be chance


def calls_for(user_texts: Sequence[str], functions: Sequence[Function], *, called_before: bool) -> list[Wanted]:
    """The calls that answer the last of the user's texts; often none."""
    text = user_texts[-1]
    weather = next((function for function in functions if _reports_weather(function)), None)
    if weather and _asks_for_weather(user_texts):
        return [(weather["name"], arguments_for(weather, text, city=city)) for city in cities_in(text)]
    others = [function for function in functions if not _reports_weather(function)]
    chosen = max(others, key=lambda function: _in_common(function, text), default=None)
    if chosen is None:
        return []
    is_request = bool(re.search(r"\w", text)) and not _CHATTER.search(text)
    in_any_case = len(functions) == 1 and is_request and not called_before
    is_meant = in_any_case or _in_common(chosen, text) >= _ENOUGH
    return [(chosen["name"], arguments_for(chosen, text))] if is_meant else []


def _in_common(function: Function, text: str) -> int:
    """How many words of the text are the tool's; plus one if it has the number that the tool needs."""
    words, name = stems_of(text), stems_of(str(function.get("name")))
    if name and name <= words:
        return 10 * _ENOUGH
    schema = function.get("parameters") or {}
    about = name | stems_of(f"{function.get('description')} {' '.join(_texts_of(schema))}")
    required = set(schema.get("required") or ())
    needed = [part for name, part in (schema.get("properties") or {}).items() if name in required]
    has_number = bool(numbers_in(text)) and any(part.get("type") in ("integer", "number") for part in needed)
    return len((words & about) - UNSPECIFIC) + has_number


def _texts_of(schema: Mapping[str, Any]) -> Iterator[str]:
    """The names, descriptions and choices of the arguments."""
    for name, part in (schema.get("properties") or {}).items():
        yield name
        yield str(part.get("description") or "")
        yield from map(str, part.get("enum") or ())


def _reports_weather(function: Function) -> bool:
    return bool(re.search("weather|forecast", f"{function.get('name')} {function.get('description')}", re.I))


def _asks_for_weather(user_texts: Sequence[str]) -> bool:
    """Whether the last text asks for it, or follows up on one that does: "And in London?"."""
    if _WEATHER.search(user_texts[-1]):
        return True
    return len(user_texts) > 1 and bool(_FOLLOW_UP.match(user_texts[-1]) and _WEATHER.search(user_texts[-2]))
