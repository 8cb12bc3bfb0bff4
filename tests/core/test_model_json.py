"""JSON as models write it."""

import json
import time

import pytest

from agentchat.core.model_json import strict_json


@pytest.mark.parametrize("written", ["", " ", "\n\t", "null", " null\n", "{}", " {} "])
def test_nothing_is_no_arguments(written):
    assert strict_json(written) == "{}"


@pytest.mark.parametrize("text", ["one\ntwo", "a\tb", "a\r\nb", "a\x00b", "\x1b[0m", 'quoted "5.0"\n', "back\\slash\n"])
def test_control_characters_within_a_text_are_what_they_are(text):
    loose = json.dumps({"text": text}, ensure_ascii=False)
    for escaped, plain in [("\\n", "\n"), ("\\t", "\t"), ("\\r", "\r"), ("\\u0000", "\x00"), ("\\u001b", "\x1b")]:
        loose = loose.replace(escaped, plain)
    with pytest.raises(json.JSONDecodeError):
        json.loads(loose)
    assert json.loads(strict_json(loose)) == {"text": text}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("5.0", "5"),
        ("-5.00", "-5"),
        ("5e0", "5"),
        ("1.5e1", "15"),
        ("1E+2", "100"),
        ("5.5", "5.5"),
        ("5", "5"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1e300", "1e300"),
        ("1e999", "1e999"),
        ("9007199254740993.0", "9007199254740993.0"),
    ],
)
def test_a_whole_number_is_one_however_it_is_written(written, read):
    assert strict_json(f'{{"n": [{written}]}}') == f'{{"n": [{read}]}}'


@pytest.mark.parametrize(
    "written", ['{"a": "5.0"}', '{"5.0": "1e2"}', r'{"a": "\"5.0"}', r'{"a": "\\"}', '{"a": "5.0', "no JSON", '{"a":']
)
def test_texts_and_what_cannot_be_read_stay_as_they_are(written):
    assert strict_json(written) == written


def test_half_a_character_does_not_stop_the_rest():
    assert json.loads(strict_json('{"text": "caf\udce9"}')) == {"text": "caf�"}


@pytest.mark.parametrize("piece", ['\\"', '"', "5.", "-", "\n", "1e"])
def test_hostile_text_takes_time_that_grows_with_its_length_only(piece):
    start = time.thread_time()
    strict_json('{"a": "' + piece * 300_000)
    strict_json(piece * 300_000)
    assert time.thread_time() - start < 5
