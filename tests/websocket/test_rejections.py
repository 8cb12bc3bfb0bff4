"""The answer to a frame that is not accepted, whatever that is."""

import json

import pytest

from agentchat.errors import Rejected
from agentchat.websocket.client_frames import max_frame_bytes, parse
from agentchat.websocket.rejections import rejection

MAX_BYTES = max_frame_bytes(32_000)


def test_it_names_the_frame_and_what_is_wrong():
    answer = json.loads(rejection('{"type": "x", "id": "f"}', "invalid", "No.", {"name": "Required"}))
    assert answer == {
        "type": "rejected",
        "id": "f",
        "code": "invalid",
        "message": "No.",
        "errors": {"name": "Required"},
    }


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"type": "stop", "あ" * 20_000: 1}, ensure_ascii=False),
        json.dumps({"type": "\x01" * 60_000}),
        json.dumps({"type": "send", "id": "あ" * 20_000, "text": 1}),
        json.dumps({"type": "answer", "id": "x", **{str(number) * 100: 1 for number in range(400)}}),
        "[" * 100_000,
        '"' + "\\u0001" * 50_000,
    ],
    ids=["a long name", "a long type", "a long id", "many names", "nesting", "no JSON"],
)
def test_it_does_not_grow_with_the_frame(text):
    with pytest.raises(Rejected) as raised:
        parse(text, max_bytes=MAX_BYTES)
    answer = rejection(text, raised.value.reason, str(raised.value))
    assert len(answer.encode()) < 4_096


def test_it_does_not_grow_with_the_errors_of_a_form():
    errors = {f"{number}.{'あ' * 5_000}": "\x01" * 5_000 for number in range(5_000)}
    answer = rejection("{}", "invalid", "\x01" * 100_000, errors)
    assert len(answer.encode()) < 100_000
    assert len(json.loads(answer)["errors"]) == 50
