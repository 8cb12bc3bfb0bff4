"""The sources that services name, wherever they write them."""

import pytest

from agentchat.core.sources import MAX_SOURCES, MAX_TITLE_CHARS
from agentchat.testing import raw
from tests.llm.chunks import DONE, chunk, event


@pytest.fixture
def sources(scripted_llm, ask):
    def sources(*pieces):
        scripted_llm.replies(raw(*pieces, chunk({"content": "Four."}, "stop"), DONE))
        return list(ask(scripted_llm.llm_config(max_retries=0)).sources)

    return sources


def cited(*annotations):
    return chunk({"annotations": list(annotations)})


def citation(url, title=None, **more):
    return {"type": "url_citation", "url_citation": {"url": url, "title": title, "start_index": 0, **more}}


A, B = {"url": "https://a.example/", "title": "A"}, {"url": "https://b.example/"}


def test_annotations_are_sources_each_once_and_in_order(sources):
    pieces = [cited(citation(A["url"])), cited(citation(B["url"]), citation(A["url"], "A"))]
    assert sources(*pieces) == [A, B]


def test_annotations_without_an_object_around_them_are_read(sources):
    assert sources(cited({"type": "url_citation", **A})) == [A]


def test_lists_beside_the_answer_are_read_once(sources):
    beside = {"citations": [A["url"], B["url"]], "search_results": [{**A, "date": "2030-01-01"}]}
    assert sources(*[event({"model": "m", "choices": [], **beside})] * 3) == [A, B]


@pytest.mark.parametrize(
    "odd",
    [
        cited({"type": "file_citation", "url": "x"}, "text", 5, None, {"type": "url_citation"}),
        cited(citation(5), citation({"a": 1}), citation("")),
        chunk({"annotations": "none"}),
        event({"model": "m", "choices": [], "citations": [5, None, {}], "search_results": {"a": 1}}),
        event({"model": "m", "choices": [], "citations": 5, "search_results": ["x"]}),
    ],
)
def test_what_is_no_source_is_left_out_and_no_error(sources, odd):
    assert sources(odd) == []


def test_there_are_not_too_many_and_none_is_too_long(sources):
    many = [citation(f"https://{n}.example/", "x" * 5_000) for n in range(200)]
    found = sources(cited(*many, citation("https://long.example/" + "x" * 5_000)))
    assert len(found) == MAX_SOURCES
    assert len(found[0]["title"]) == MAX_TITLE_CHARS
