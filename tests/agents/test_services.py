"""Whole chats with services that refuse some requests: agents say what they say, and each request is accepted."""

import re

import pytest
from django.utils.translation import gettext_lazy

from agentchat import ConversableAgent, GroupChat, GroupChatManager, UserProxyAgent, register_function
from agentchat.testing import ScriptedLLM, call, fail, raw, say
from tests.llm.chunks import DONE, calls, chunk, part
from tests.llm.services import (
    SERVICES,
    broken_arguments,
    empty_answers,
    empty_messages,
    ids_unlike,
    missing_reasoning,
    names,
    refusing,
    unpaired_calls,
)

PARIS = '{"city": "Paris"}'


def weather(city: str) -> str:
    "The weather."
    return f"Sunny in {city}"


def bot(scripted_llm, name="bot", system="", **config):
    config = scripted_llm.llm_config(max_retries=0, **config)
    return ConversableAgent(name, system, llm_config=config, human_input_mode="NEVER")


def desk(replies=3):
    return UserProxyAgent(
        "desk",
        human_input_mode="NEVER",
        max_consecutive_auto_reply=replies,
        is_termination_msg=lambda message: "TERMINATE" in (message["content"] or ""),
    )


def talk(scripted_llm, *first, refuses=(), tool=weather, **config):
    """What comes of a chat whose model answers first with this stream, and then says that it is done."""
    answers = iter([raw(*first)])
    scripted_llm.always(refusing(*refuses, answer=lambda request: next(answers, say("Done. TERMINATE"))))
    agent, user = bot(scripted_llm, system="sys", **config), desk()
    if tool is not None:
        register_function(tool, caller=agent, executor=user)
    return user.initiate_chat(agent, message="hi").summary


def one_call(arguments=PARIS, name="weather", **more):
    return [calls(part(name, arguments, index=0, id="c1", **more)), chunk({}, "tool_calls"), DONE]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_goes_back_with_the_calls_it_led_to(field, scripted_llm, stream):
    def refuses(request):
        for place, message in enumerate(request["messages"]):
            if message.get("tool_calls") and message.get(field) != "I should look.":
                return f"Missing `{field}` field in the assistant message at message index {place}"
        return None

    first = [chunk({field: "I should "}), chunk({field: "look."}), *one_call()]
    assert talk(scripted_llm, *first, refuses=[refuses]) == "Done. "


@pytest.mark.parametrize("profile", ["deepseek", "kimi"])
def test_a_model_that_did_not_think_goes_back_as_one_that_did(profile, scripted_llm, stream):
    assert talk(scripted_llm, *one_call(), refuses=[missing_reasoning], profile=profile) == "Done. "
    assert len(scripted_llm.requests) == 2


def test_the_signature_of_a_call_goes_back(scripted_llm, stream):
    signature = {"google": {"thought_signature": "s1"}}
    talk(scripted_llm, *one_call(extra_content=signature))
    assert scripted_llm.requests[1]["messages"][2]["tool_calls"][0]["extra_content"] == signature


@pytest.mark.parametrize(
    "arguments", ['{"city": "Par', "{", '{"city": "x"}{"city": "y"}', "[]", "Paris", '"x"', "null"]
)
def test_arguments_that_are_no_object_do_not_go_back(arguments, scripted_llm, stream):
    assert talk(scripted_llm, *one_call(arguments), refuses=[broken_arguments]) == "Done. "
    assert len(scripted_llm.requests) == 2
    assert "Error" in scripted_llm.requests[1]["messages"][-1]["content"]  # the model reads what was wrong


@pytest.mark.parametrize("name", ["get the weather", "weather<|channel|>commentary", "天气", "w" * 80])
def test_tools_that_were_made_up_go_back_under_a_name_that_is_accepted(name, scripted_llm, stream):
    def refuses(request):
        for message in request["messages"]:
            for each in message.get("tool_calls") or ():
                if not re.fullmatch("[a-zA-Z0-9_-]{1,64}", each["function"]["name"]):
                    return "Invalid 'messages[2].tool_calls[0].function.name'"
        return None

    assert talk(scripted_llm, *one_call(name=name), refuses=[refuses]) == "Done. "


def test_names_are_left_out_where_they_are_refused(scripted_llm, stream):
    assert talk(scripted_llm, chunk({"content": "Done. TERMINATE"}, "stop"), DONE, refuses=[names]) == "Done. "


def test_a_user_who_says_nothing_is_no_empty_message(scripted_llm, stream):
    paris = [chunk({"content": "Paris."}, "stop"), DONE]
    assert talk(scripted_llm, *paris, refuses=[empty_messages, empty_answers], tool=None) == "Done. "
    assert len(scripted_llm.requests) == 2


@pytest.mark.parametrize("fits", [r".{1,40}", r"[a-zA-Z0-9_-]+", r"[a-zA-Z0-9]{9}"])
def test_ids_of_one_service_do_for_the_next(fits, scripted_llm, stream):
    with ScriptedLLM() as other:
        other.always(refusing(ids_unlike(fits), unpaired_calls, answer=lambda request: say("Done. TERMINATE")))
        odd = part("weather", PARIS, index=0, id="functions.weather:0|" + "x" * 40)
        scripted_llm.replies(raw(calls(odd), chunk({}, "tool_calls"), DONE), fail(500))
        config = {"config_list": [*scripted_llm.config_list, *other.config_list], "max_retries": 0}
        agent, user = ConversableAgent("bot", "", llm_config=config, human_input_mode="NEVER"), desk()
        register_function(weather, caller=agent, executor=user)
        assert user.initiate_chat(agent, message="hi").summary == "Done. "


def test_a_chat_that_ended_with_a_call_can_be_summed_up(scripted_llm, stream):
    answers = [call("weather", city="Paris"), say("summary")]
    scripted_llm.always(refusing(unpaired_calls, answer=lambda request: answers.pop(0)))
    agent, user = bot(scripted_llm), desk()
    register_function(weather, caller=agent, executor=user)
    result = user.initiate_chat(agent, message="hi", max_turns=1, summary_method="reflection_with_llm")
    assert result.summary == "summary"


@pytest.mark.parametrize("profile", ["openai", "generic", "mistral"])
def test_members_of_a_group_keep_names_that_differ(profile, scripted_llm, stream):
    scripted_llm.always(refusing(*SERVICES[profile], answer=lambda request: say("好的")))
    members = [bot(scripted_llm, name, profile=profile) for name in ("作家", "评论", "画家")]
    manager = GroupChatManager(GroupChat(members, max_round=5, speaker_selection_method="round_robin"))
    UserProxyAgent("用户", human_input_mode="NEVER").initiate_chat(manager, message="写诗")
    heard = [message for message in scripted_llm.requests[2]["messages"] if message["role"] == "user"]
    said_by = [message.get("name") or message["content"].partition(":")[0] for message in heard]
    assert len(set(said_by)) == len(said_by) == 3


def test_half_a_character_in_a_message_a_system_message_or_a_tool_is_no_crash(scripted_llm, stream):
    def broken(city: str) -> str:
        "caf\udce9"
        return f"caf\udce9 {city}"

    scripted_llm.replies(call("broken", city="Paris"), say("ok"))
    agent, user = bot(scripted_llm, system="caf\udce9"), desk(1)
    register_function(broken, caller=agent, executor=user)
    user.initiate_chat(agent, message="caf\udce9.txt", max_turns=2)
    assert "caf\ufffd" in scripted_llm.requests[1]["messages"][-1]["content"]


def test_lazy_translations_may_stand_wherever_texts_do(scripted_llm, stream):
    lazy = gettext_lazy("Send")
    scripted_llm.always(say("ok"))
    agent = bot(scripted_llm, system=lazy)
    user = UserProxyAgent("desk", human_input_mode="NEVER", default_auto_reply=lazy, max_consecutive_auto_reply=1)
    register_function(weather, caller=agent, executor=user, description=lazy)
    user.initiate_chat(agent, message=lazy, carryover="and more", max_turns=2)
    agent.generate_reply(messages=[{"role": "user", "content": lazy}])
    sent = scripted_llm.requests[1]
    assert [message["content"][:4] for message in sent["messages"]] == ["Send", "Send", "ok", "Send"]
    assert sent["tools"][0]["function"]["description"] == "Send"
    assert "Send" in stream.text
