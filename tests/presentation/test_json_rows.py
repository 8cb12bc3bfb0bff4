"""JSON values become rows that a person reads."""

import json

import pytest

from agentchat.presentation.json_rows import EMPTY, argument_rows, label_of, rows_of, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, EMPTY),
        ("", EMPTY),
        ([], EMPTY),
        (True, "yes"),
        (False, "no"),
        ("two\nlines", "two\nlines"),
        (12, "12"),
        (12.0, "12"),
        (12.5, "12.5"),
        (["red", 2], "red\n2"),
        ({}, "{}"),
        ([{"a": "ä"}], '[{"a":"ä"}]'),
    ],
)
def test_a_value_is_shown_as_text(value, text):
    assert text_of(value) == text


def test_a_name_becomes_a_label():
    assert label_of("order_id") == "Order id"


def test_labels_are_the_schemas_titles_where_it_has_some():
    schema = {"properties": {"order_id": {"title": "Which order?"}}}
    assert rows_of({"order_id": "A7", "note": "x"}, schema) == [("Which order?", "A7"), ("Note", "x")]


def test_an_object_in_an_object_has_both_names():
    schema = {
        "properties": {"home": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}]}},
        "$defs": {"Address": {"title": "Address", "properties": {"zip": {"title": "Post code"}}}},
    }
    assert rows_of({"home": {"zip": "1010"}}, schema) == [("Home · Post code", "1010")]


def test_a_schema_may_be_a_reference_as_those_of_trees_are():
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": {"properties": {"name": {"title": "Called"}}}}}
    assert rows_of({"name": "root"}, schema) == [("Called", "root")]


def test_a_secret_is_not_shown():
    schema = {"properties": {"pin": {"type": "string", "format": "password"}}}
    assert rows_of({"pin": "1234"}, schema) == [("Pin", "••••••")]
    assert rows_of({"pin": None}, schema) == [("Pin", EMPTY)]


def test_a_reference_to_itself_has_an_end():
    schema = {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert rows_of({"a": 1}, schema) == [("A", "1")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\u202e54321ED\u202c", r'"\u202e54321ED\u202c"'),
        ("zero\u200bwidth", r'"zero\u200bwidth"'),
        ("no-break\u00a0space", r'"no-break\u00a0space"'),
        ("tag\U000e0041", r'"tag\udb40\udc41"'),
        ("filler\u3164", r'"filler\u3164"'),
        ("\x1b[31m\x7f", r'"\u001b[31m\u007f"'),
        (" around ", '" around "'),
        (" ", '" "'),
        (r"\u202e", r"\u202e"),
        (r'"\u202e"', r'"\"\\u202e\""'),
        ("two\r\nlines", r'"two\r\nlines"'),
        (EMPTY, f'"{EMPTY}"'),
        ("عربي وفاصل، 12", "عربي وفاصل، 12"),
        ("👩\u200d💻 ❤\ufe0f 1\ufe0f\u20e3", "👩\u200d💻 ❤\ufe0f 1\ufe0f\u20e3"),
    ],
)
def test_a_text_shows_all_its_characters(text, shown):
    assert text_of(text) == shown
    assert rows_of({"to": text}) == [("To", shown)]


def test_no_two_calls_look_the_same():
    values = [
        None,
        "",
        [],
        EMPTY,
        "null",
        '""',
        "[]",
        {},
        "{}",
        "a\nb",
        ["a\nb"],
        " a",
        "a",
        "\u200ba",
        r"\u200ba",
        '"a"',
    ]
    values += [["a", ""], ["a", EMPTY], ["a", None], 1.5, -0.0, 0, 2**53, 12345678901234567890, 1.2345678901234567e19]
    names = ["a b", "a_b", "A b", "a · b", '"a b"', "a\u200bb"]
    calls = [{"x": value} for value in values] + [{name: 1} for name in names] + [{"a": {"b": 1}}]
    shown = {json.dumps(argument_rows(call)): call for call in calls}
    assert len(shown) == len(calls)


def test_a_label_does_not_grow_with_what_is_in_it():
    bombs = [
        {"N" * 32_000: {f"k{n}": n for n in range(3_200)}},
        {"a" * 90: {f"k{n}": {f"k{n}": n for n in range(10)} for n in range(190)}},
        {"a" * 20: {"b" * 20: {"c" * 20: {"d" * 20: {"e" * 20: {f"{n}": n for n in range(3_000)}}}}}},
        {f"k{n}": n for n in range(9_000)},
    ]
    for bomb in bombs:
        rows = rows_of(bomb)
        assert sum(len(label) + len(text) for label, text in rows) < 2 * len(json.dumps(bomb)) + 40_000
        assert len(rows) <= 201


def test_a_secret_is_not_shown_in_json_either():
    schema = {"properties": {"them": {"items": {"properties": {"pin": {"format": "password"}}}}}}
    [row] = rows_of({"them": [{"pin": "1234", "name": "Ada"}]}, schema)
    assert "1234" not in row.text
    assert "Ada" in row.text
