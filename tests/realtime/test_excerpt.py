"""What is shown of a fact that is too large for a frame."""

import json

import pytest

from agentchat.models import ChatSession, Event
from agentchat.realtime.excerpt import HEAD_CHARS, MAX_HTML, MAX_PAYLOAD, excerpt, excerpts, message_html, whole
from tests.factories import tell


def size(payload):
    return len(json.dumps(payload, ensure_ascii=False).encode("utf-8", "surrogatepass"))


SMALL = [
    {},
    {"content": "x" * (MAX_PAYLOAD - 100)},
    {"value": {"a": [1, None, True, "é"]}, "by": "ada"},
    {"initial": {str(number): number for number in range(5_000)}},
]


@pytest.mark.parametrize("payload", SMALL, ids=range(len(SMALL)))
def test_what_fits_is_whole(payload):
    assert excerpt(payload) is payload


@pytest.mark.parametrize("character", ["x", "é", "語", "😀", '"', "\n", "\x01", "\ud800"])
def test_a_long_text_is_shown_by_its_head(character):
    shown = excerpt({"messageId": "m", "content": character * 530_000, "stopped": True})
    assert shown["content"] in (character * HEAD_CHARS, character * 1024)
    assert shown["cut"] == {"content": 530_000}
    assert (shown["messageId"], shown["stopped"]) == ("m", True)
    assert size(shown) <= MAX_PAYLOAD


LARGE = {
    "many texts": {name: "x" * 100_000 for name in "abcdefghij"},
    "a wide object": {"value": {f"field {number}": "x" * 100 for number in range(50_000)}},
    "an object of objects": {"value": {"decision": "approve", "arguments": {"rows": ["x"] * 500_000}}},
    "a long list": {"value": list(range(100_000))},
    "long names": {"value": {"x" * 300_000: 1}},
    "nesting": {"value": json.loads("[" * 500 + "]" * 500), "text": "x" * 300_000},
    "an id that a model wrote": {"toolCallId": "c" * 2_000_000, "args": "{}" * 500_000},
}


@pytest.mark.parametrize("kind", LARGE)
def test_whatever_is_large_fits_and_keeps_its_fields_and_their_types(kind):
    payload = LARGE[kind]
    shown = excerpt(payload)
    assert size(shown) <= MAX_PAYLOAD
    assert [(name, type(shown[name])) for name in payload] == [(name, type(value)) for name, value in payload.items()]
    assert set(shown["cut"]) == {name for name in payload if shown[name] != payload[name]}


def test_a_decision_is_still_one_when_its_arguments_are_too_large():
    shown = excerpt(LARGE["an object of objects"])
    assert shown["value"] == {"decision": "approve", "arguments": {}}


def test_two_events_of_a_call_have_the_same_id_when_it_is_too_large():
    one, other = ({"toolCallId": "c" * 2_000_000, "args": args} for args in ("{}", "x" * 100_000))
    assert excerpt(one)["toolCallId"] == excerpt(other)["toolCallId"]


def test_html_that_is_too_large_becomes_the_head_as_text():
    assert "<strong>" in message_html("**a**", key="m")
    html = message_html("<&" * 60_000, key="m")
    assert len(html) <= MAX_HTML
    assert html.startswith("<pre>&lt;&amp;")


@pytest.mark.django_db
def test_events_are_read_with_their_heads_and_again_whole(django_assert_num_queries):
    texts = ["a", "b" * 300_000, "c", "語" * 40_000]
    chat = tell(ChatSession.objects.create(agent="x"), *[("PRINTED", {"text": text}) for text in texts])
    events = Event.objects.filter(session=chat).order_by("seq")
    rows = excerpts(events)
    assert [row.payload["text"] for row in rows] == ["a", "b" * HEAD_CHARS, "c", "語" * 40_000]
    assert [whole(row).payload["text"] for row in rows] == texts
    assert [row.payload["text"][0] for row in excerpts(events.reverse()[:2])] == ["語", "c"]
    with django_assert_num_queries(1):
        excerpts(events.filter(seq__in=(1, 3)))
