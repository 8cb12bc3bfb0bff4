"""What is kept of requests to models: no secrets, no passwords, and not without limit."""

import json

import pytest

from agentchat.core import kept_requests
from agentchat.core.kept_requests import SealedTexts, kept_request
from agentchat.core.secrets import note_secret


def request(*contents: object, tools: object = ()) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": each} for each in contents], "tools": [*tools]}


def test_a_small_request_is_kept_as_it_is() -> None:
    asked = request("Hello", [{"type": "text", "text": "Look"}], tools=[{"function": {"name": "look"}}])
    assert kept_request(asked, SealedTexts()) == asked


@pytest.mark.parametrize("password", ['a"b\\c', "grüße", "1234", "p w&d", "42.5"])
def test_a_password_is_kept_in_none_of_its_spellings(password: str) -> None:
    sealed = SealedTexts()
    assert sealed.note(password) == password
    arguments = json.dumps({"pin": password, "more": {password: [password]}})
    told = f"I am {password}."
    kept = kept_request(request(told, {password: [password, 1234, 42.5, True]}, arguments), sealed)
    text = json.dumps(kept, ensure_ascii=False)
    assert password not in text
    assert json.dumps(password)[1:-1] not in json.loads(text)["messages"][2]["content"]
    assert kept["messages"][0]["content"] == "I am …."


def test_a_password_that_cannot_be_told_apart_leaves_nothing() -> None:
    sealed = SealedTexts()
    sealed.note("7")
    assert kept_request(request("7 and 77"), sealed) is None
    sealed = SealedTexts()
    sealed.note("")
    assert kept_request(request("7"), sealed) == request("7")


def test_a_secret_of_the_site_is_masked() -> None:
    note_secret("sk-of-the-request-0123456789")
    assert "sk-of-the-request-0123456789" not in str(
        kept_request(request("sk-of-the-request-0123456789"), SealedTexts())
    )


def test_a_long_request_keeps_its_beginning_and_its_end() -> None:
    asked = request("first", *(f"{number} " + "sunny " * 350 for number in range(100)), "last")
    kept = kept_request(
        {**asked, "tools": [{"function": {"name": "f", "parameters": "rainy " * 1_500}}] * 9}, SealedTexts()
    )
    assert len(json.dumps(kept)) < kept_requests.MAX_CHARS + 1_000
    contents = [each["content"] for each in kept["messages"]]
    assert (contents[0], contents[-1]) == ("first", "last")
    assert contents[1].startswith(f"{kept['messages_left_out']} ")
    assert kept["tools"] == ["f"] * 9


@pytest.mark.parametrize("huge", ["sunny " * 200_000, ["rainy " * 200_000] * 20, {"a": {"b": "windy " * 20_000}}])
def test_one_huge_message_is_cut(huge: object) -> None:
    kept = kept_request(request(huge, huge, "last"), SealedTexts())
    assert len(json.dumps(kept)) < kept_requests.MAX_CHARS + 1_000
    assert kept["messages"][-1]["content"] == "last"
