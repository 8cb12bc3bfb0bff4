"""What runs say to users by themselves, in the language of the reader."""

import json

import pytest
from django.utils import translation

from agentchat import errors
from agentchat.i18n import system_messages


def test_the_reason_of_a_failure_is_in_the_reader_s_language():
    event = system_messages.run_error(errors.LLMTimeout("no answer"), error_id="0a")
    frame = {"type": event.type, **event.payload()}
    assert frame["message"] == errors.LLMTimeout.user_message
    with translation.override("de"):
        assert system_messages.translated_frame(frame)["message"].startswith("Das Modell hat nicht rechtzeitig")
    assert system_messages.translated_frame(frame) == frame


def test_the_code_of_a_stored_text_wins_over_its_former_wording():
    frame = {"type": "RUN_ERROR", "code": "llm_timeout", "message": "The model was late.", "params": {}, "id": "0a"}
    assert system_messages.translated_frame(frame)["message"] == errors.LLMTimeout.user_message


def test_the_message_of_a_foreign_exception_is_not_shown():
    event = system_messages.run_error(ValueError("the secret reason"), error_id="0a")
    assert (event.code, event.message, event.params) == ("error", errors.AgentChatError.user_message, {})


@pytest.mark.parametrize("code", ["error", "shop_closed"])
def test_an_error_class_of_the_site_keeps_its_own_message(code):
    class ShopClosed(errors.AgentChatError):
        user_message = "We are closed: 100 % of us are asleep."

    ShopClosed.code = code
    event = system_messages.run_error(ShopClosed("at night"), error_id="0a")
    frame = {"type": event.type, **event.payload()}
    with translation.override("de"):
        assert system_messages.translated_frame(frame)["message"] == ShopClosed.user_message


def test_a_text_that_was_stored_without_a_code_or_with_an_unknown_one_is_shown_as_it_is():
    asked = {"type": "INPUT_REQUESTED", "kind": "approval", "prompt": "Steps taken so far: 12. Continue?"}
    unknown = {**asked, "code": "limit_moons", "params": {"used": 12}}
    failed = {"type": "RUN_ERROR", "code": "llm_timeout", "message": errors.LLMTimeout.user_message, "id": "0a"}
    with translation.override("de"):
        assert [system_messages.translated_frame(each) for each in (asked, unknown, failed)] == [asked, unknown, failed]


@pytest.mark.parametrize(
    ("code", "params", "wanted"),
    [
        ("limit_steps", {"used": 12}, "Bisherige Schritte: 12. Fortfahren?"),
        ("limit_cost", {"used": 0.5}, "Bisherige Kosten: 0.50\u00a0$. Fortfahren?"),
        (
            "outcome_unknown",
            {"tool": r"pay_\1 %(used)d"},
            r"pay_\1 %(used)d wurde unterbrochen: vielleicht ausgeführt, vielleicht nicht. "
            "Noch einmal ausführen oder überspringen?",
        ),
    ],
)
def test_the_questions_of_a_run_keep_their_numbers_and_names_in_another_language(code, params, wanted):
    event = system_messages.question(code, **params)
    frame = {"type": event.type, **json.loads(json.dumps(event.payload()))}
    with translation.override("de"):
        assert system_messages.translated_frame(frame)["prompt"] == wanted


def test_the_prompt_of_an_agent_is_not_translated():
    frame = {
        "type": "INPUT_REQUESTED",
        "kind": "text",
        "prompt": system_messages.question("limit_steps", used=3).prompt,
    }
    with translation.override("de"):
        assert system_messages.translated_frame(frame) == frame
