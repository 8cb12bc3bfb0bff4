"""The sources below an answer, as pages, copies and exports show them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from agentchat.core.sources import merged, source_of
from agentchat.markup.markdown import safe_address

_SPECIAL = re.compile(r"[\\`*_\[\]<>&]")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One of them. Models and agent functions name them: only what may be a link of a message is one."""

    url: str = ""
    name: str = ""

    @property
    def href(self) -> str:
        """Its address; empty if that must not become a link."""
        return safe_address(self.url) if self.url else ""

    @property
    def title(self) -> str:
        return self.name or self.url

    @property
    def host(self) -> str:
        """The site that it leads to, unless the title is its address."""
        try:
            host = urlsplit(self.href).hostname or ""
        except ValueError:
            return ""
        return host.removeprefix("www.") if self.name else ""

    @property
    def markdown(self) -> str:
        title = _SPECIAL.sub(r"\\\g<0>", " ".join(self.title.split()))
        return f"[{title}](<{self.href}>)" if self.href else title


def sources_in(payload: Mapping[str, Any]) -> Iterator[Source]:
    """Those of a stored event, which may have anything in its list."""
    for each in payload["sources"]:
        if isinstance(each, Mapping) and (given := source_of(each.get("url"), each.get("title"))):
            yield Source(url=given.get("url", ""), name=given.get("title", ""))


def joined(*several: Iterable[Source]) -> list[Source]:
    """All of them, each once, and not too many."""
    given = ({"url": each.url, "title": each.name} for sources in several for each in sources)
    return [Source(url=each["url"], name=each["title"]) for each in merged(given)]


def as_markdown(sources: Iterable[Source]) -> str:
    """A numbered list."""
    return "\n".join(f"{number}. {source.markdown}" for number, source in enumerate(sources, start=1))
