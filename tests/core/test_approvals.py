"""Approvals on text streams: consoles and bare websockets ask with words, and take no less care."""

import pytest

from agentchat.core.approvals import Approval, Decision, approve
from agentchat.errors import ConfigError


class Talk:
    """A text stream whose user gives these answers."""

    def __init__(self, *answers):
        self.answers, self.shown = list(answers), ""

    def print(self, *objects, sep=" ", end="\n", flush=False):
        self.shown += sep.join(map(str, objects)) + end

    def input(self, prompt="", *, password=False):
        return self.answers.pop(0)


def pay(**arguments):
    return Approval(tool="pay", arguments=arguments, schema={}, tool_call_id="c1")


@pytest.mark.parametrize(
    "answer",
    [
        '{"amount": NaN}',
        '{"amount": 1e999}',
        '{"to": "a", "to": "b"}',
        '{"a":' * 100_000,
        "[" * 100_000,
        "[1]",
        "",
        "5",
        "{",
    ],
)
def test_an_answer_that_is_no_clear_object_is_asked_for_again(answer):
    talk = Talk(answer, "no, too much")
    assert approve(talk, pay(amount=1)) == Decision(approved=False, reason="too much")
    assert "Please answer" in talk.shown


def test_arguments_keep_their_digits_and_show_their_characters():
    talk = Talk('\u00a0{"amount": 12345678901234567891}')
    decision = approve(talk, pay(amount=12345678901234567890, to="\u202e54321ED\u202c"))
    assert decision == Decision(approved=True, arguments={"amount": 12345678901234567891})
    assert "12345678901234567890" in talk.shown
    assert r"\u202e54321ED\u202c" in talk.shown
    assert "\u202e" not in talk.shown


@pytest.mark.parametrize(
    "value", [float("nan"), -float("inf"), [1e999], "a\0b", {"a\0b": 1}, {"a": "\\\0"}, object, {1, 2}], ids=repr
)
def test_what_cannot_be_shown_or_stored_as_it_is_is_not_offered(value):
    with pytest.raises(ConfigError, match="'pay' cannot be shown for approval"):
        pay(value=value)


@pytest.mark.parametrize("value", [r"\u0000", r"C:\u0000\n", "\\\\u0000", "text\n", 2**80, -0.0, ["a", None], ("a",)])
def test_everything_else_is(value):
    assert pay(value=value).arguments == {"value": value}
