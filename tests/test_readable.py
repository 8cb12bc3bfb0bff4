"""JSON values become rows that a person reads."""

import pytest

from agentchat.readable import NOTHING, label_of, rows_of, text_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, NOTHING),
        ("", NOTHING),
        ([], NOTHING),
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
def test_a_value_reads_as_words(value, text):
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
    assert rows_of({"pin": None}, schema) == [("Pin", NOTHING)]


def test_a_reference_to_itself_has_an_end():
    schema = {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert rows_of({"a": 1}, schema) == [("A", "1")]
