"""Secrets are masked, in whatever spelling a library shows them."""

import base64
import json
from urllib.parse import quote

import pytest

from agentchat.core import secrets
from agentchat.core.secrets import mask, mask_json, note_secret, note_url

KEY = "sk-CANARY-0123456789abcdef"


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"{KEY}\n",
        repr(f"Bearer {KEY}\n".encode()),
        f"before {KEY} after {KEY}",
        f"({KEY})",
        quote(f"?key={KEY}"),
        json.dumps({"key": KEY}),
    ],
)
def test_a_key_is_masked_wherever_it_stands(text):
    note_secret(f"{KEY}\n")
    assert KEY not in mask(text)
    assert "…" in mask(text)


@pytest.mark.parametrize("secret", ['quo"ted\\secret', "with%20per/cent+1", "pass wört-secret!", "tab\tbed-secret"])
def test_a_secret_with_odd_characters_is_masked_in_every_spelling(secret):
    note_secret(secret, hidden=True)
    for written in (secret, repr(secret), json.dumps(secret), repr(secret.encode()), quote(secret, safe="")):
        left = mask(f"it was {written}, they say")
        assert not [word for word in ("quo", "cent+1", "-secret") if word in left], left


@pytest.mark.parametrize(
    "url",
    [
        "postgres://ada:CANARYpass@db.example/chat",
        "redis://:CANARYpass@h:6379/0",
        "https://h/v1?key=CANARYpass",
        "https://CANARYpass@h/v1?x=1&token=CANARYpass",
        "amqp://u:CANARYpass@[::1]/",
        "redis://:CANARYpass@[broken/",
    ],
)
def test_the_secrets_of_a_url_are_masked(url):
    note_url(url)
    said = [f"cannot connect to {url}", repr(url), "CANARYpass", base64.b64encode(b"ada:CANARYpass").decode()]
    note_url("https://ada:CANARYpass@h/")
    assert not [text for text in map(mask, said) if "CANARY" in text or "Q0FOQVJ" in text]


def test_a_password_in_a_url_is_masked_though_no_one_knew_it():
    assert mask("tried redis://user:never-seen-before@host/0 twice") == "tried redis://…@host/0 twice"
    assert mask("mail a@b.example, see https://b.example") == "mail a@b.example, see https://b.example"


def test_json_is_masked_inside():
    note_secret(KEY)
    assert KEY not in json.dumps(mask_json({"a": [{"b": f"x {KEY}"}, 5, None], "c": (KEY,)}))


def test_of_many_keys_those_noted_last_are_known_and_those_of_settings_for_ever(monkeypatch):
    monkeypatch.setattr(secrets, "MAX_RECENT", 3)
    note_secret("lasting-secret-000", lasting=True, hidden=True)
    for number in range(5):
        note_secret(f"key-number-{number:06}")
    assert mask("key-number-000000") == "key-number-000000"
    assert "number" not in mask("key-number-000004 key-number-000002")
    assert mask("lasting-secret-000") == "…"


def test_short_words_are_left_alone():
    note_secret("none")
    assert mask("none of them") == "none of them"
