"""Where an answer comes from: addresses with titles, as agent functions and models give them."""

from collections.abc import Iterable, Mapping
from typing import Any

from agentchat.core.text import replace_lone_surrogates
from agentchat.errors import ConfigError

Source = dict[str, str]
"""`url` and `title`, at least one of them."""

MAX_SOURCES = 50
MAX_URL_CHARS = 2_000
MAX_TITLE_CHARS = 300


def source_of(url: Any, title: Any = None) -> Source | None:
    """A source; None if it is none: an address that is too long is left out, a long title is cut."""
    given = {"url": _line(url), "title": _line(title)}
    if len(given["url"]) > MAX_URL_CHARS:
        given["url"] = ""
    if len(given["title"]) > MAX_TITLE_CHARS:
        given["title"] = f"{given['title'][: MAX_TITLE_CHARS - 1]}…"
    return {key: value for key, value in given.items() if value} or None


def merged(sources: Iterable[Source]) -> list[Source]:
    """The first ones, each once: the same address again may only add a title."""
    known: dict[str, Source] = {}
    for source in sources:
        key = source.get("url") or source.get("title", "")
        if key in known:
            known[key] = {**source, **{name: value for name, value in known[key].items() if value}}
        elif len(known) < MAX_SOURCES:
            known[key] = source
    return list(known.values())


def given_sources(given: Any) -> list[Source]:
    """What was given to `iostream.sources`. Raise ConfigError for what is no source."""
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise ConfigError(f"iostream.sources() got {given!r:.200}: use a list of addresses, or of dicts")
    return merged(_given_source(each) for each in given)


def _given_source(given: Any) -> Source:
    fields = given if isinstance(given, Mapping) else {"url": given}
    unknown = set(fields) - {"url", "title"}
    url, title = fields.get("url"), fields.get("title")
    is_text = all(each is None or isinstance(each, str) for each in (url, title))
    source = source_of(url, title) if is_text and not unknown else None
    if source is None:
        raise ConfigError(
            f"iostream.sources() got {given!r:.200}: use an address, or a dict with a 'url' and a 'title', one of them "
            f"at least"
        )
    return source


def _line(text: Any) -> str:
    return " ".join(replace_lone_surrogates(text).split()) if isinstance(text, str) else ""
