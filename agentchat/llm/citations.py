"""The sources that a service names for an answer: annotations of the message, or lists beside it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agentchat.core.sources import Source, merged, source_of


class Citations:
    """What the chunks of one answer name, in order. What is none is left out: an answer is one without sources, too."""

    def __init__(self) -> None:
        self._found: list[Source] = []

    def add_annotations(self, annotations: Any) -> None:
        """Take over the annotations of a message, or of a delta."""
        self._add(map(_annotated, _objects(annotations)))

    def add_lists(self, chunk: Mapping[str, Any]) -> None:
        """Take over what stands beside the answer: Perplexity's and xAI's places, where each chunk has all of them."""
        self._add(source_of(each.get("url"), each.get("title")) for each in _objects(chunk.get("search_results")))
        addresses = chunk.get("citations")
        self._add(map(source_of, addresses if isinstance(addresses, list) else ()))

    def _add(self, sources: Iterable[Source | None]) -> None:
        self._found = merged([*self._found, *filter(None, sources)])

    def sources(self) -> tuple[Source, ...]:
        return tuple(self._found)


def _annotated(annotation: Mapping[str, Any]) -> Source | None:
    """The source of a file's citation, or of a `url_citation`, whose fields may have an object around them."""
    if annotation.get("type") in ("file_citation", "container_file_citation"):
        return source_of(None, annotation.get("filename"))
    if annotation.get("type") != "url_citation":
        return None
    inner = annotation.get("url_citation")
    fields = inner if isinstance(inner, Mapping) else annotation
    return source_of(fields.get("url"), fields.get("title"))


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (each for each in (value if isinstance(value, list) else ()) if isinstance(each, Mapping))
