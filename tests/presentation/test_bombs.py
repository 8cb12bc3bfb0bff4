"""What a model, a tool or a user wrote makes an element of a page that is not much longer, whatever it is."""

import json
from datetime import UTC, datetime

import pytest
from django.template.loader import render_to_string

from agentchat.presentation.items import Message, PrintedText, ToolCall
from agentchat.presentation.requests import InputRequest

AT = datetime(2026, 1, 1, tzinfo=UTC)
MOST = 64 * 1024
TEXTS = {
    "links": "[a]: http://b/" + "c" * 4_000 + "\n\n" + "[a]" * 1_300,
    "schemes": "://" * 2_600,
    "images": "![^" * 2_600 + "]",
    "apostrophes": "'" * 8_000,
    "cells": "|" + "a|" * 100 + "\n|" + "-|" * 100 + "\n" + "|\n" * 3_000,
    "thoughts": "<think>a</think>" * 500,
    "formulas": "$\\frac{a}{b}$ " * 500,
}
VALUES = {
    "a long name": {"N" * 8_000: {f"k{number}": number for number in range(800)}},
    "long names": {f"{number}" * 60: {"a": {"b": 1}} for number in range(100)},
    "names within names": {},
    "many values": {f"k{number}": 1 for number in range(2_000)},
    "empty names": {" " * number: 1 for number in range(120)},
    "large numbers": {"a": [1e300] * 1_000, **{f"k{number}": 1e300 for number in range(500)}},
    "apostrophes": {"a": "'" * 8_000, "'" * 900: {"'" * number: "'" for number in range(60)}},
    "lists": {"a": [[], [[]], [{}]] * 900},
}
for _ in range(90):
    VALUES["names within names"] = {"a": VALUES["names within names"], "b": "'", "'": "c"}


def page(item):
    item.at = AT
    context = {"items": [item], "has_actions": True, "is_open": True, "shows_usage": True, "shows_details": True}
    return render_to_string("agentchat/transcript.html", context)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_makes_a_small_element(text):
    assert len(page(Message(id="m", name="Ada", role="user", content=text, writing=False))) <= 6 * len(text) + MOST
    answer = Message(id="m", name="bot", content=text, writing=False)
    assert len(page(answer)) <= (20 + 6) * len(text) + MOST  # its HTML, and its source for copies
    assert len(page(PrintedText(pieces=[text]))) <= 6 * len(text) + MOST
    assert len(page(ToolCall(id="c", tool="t", args="{}", result=text, state="done"))) <= 6 * len(text) + MOST


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_makes_a_small_element(value):
    args = json.dumps(value, separators=(",", ":"))
    call = ToolCall(id="c", tool="t", args=args, state="done")
    assert len(page(call)) <= 20 * len(args) + MOST
    form = {"type": "object", "properties": {name: {} for name in value}}
    card = InputRequest(id="r", asks="form", schema=form, state="answered", value=value, by="Ada")
    assert len(page(card)) <= 20 * len(args) + MOST
    approval = InputRequest(id="r", asks="approval", call=call, schema=form)
    assert len(page(approval)) <= 20 * len(args) + MOST
