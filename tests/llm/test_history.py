"""Conversations as agents have them, in the form that each service accepts; sent through the real SDK."""

import asyncio
import json
import time

import pytest
from django.utils.translation import gettext_lazy

from agentchat.llm.client import complete
from agentchat.llm.history import normalized
from agentchat.llm.profiles import GENERIC, PROFILES, profile_for
from tests.llm.services import EVERYONE, SERVICES, missing_signatures, refusing, roles_in_a_row

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


def call(id_="call_1", arguments='{"city": "Paris"}', name="weather", **more):
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def calling(*calls, content=None, **more):
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


def result(id_="call_1", content="Sunny", **more):
    return {"role": "tool", "tool_call_id": id_, "content": content, **more}


def user(content="Hello", **more):
    return {"role": "user", "content": content, **more}


def answer(content="Hi", **more):
    return {"role": "assistant", "content": content, **more}


SYSTEM = {"role": "system", "content": "You are kind."}
CONVERSATIONS = {
    "a greeting": [SYSTEM, user()],
    "an empty message": [SYSTEM, user("")],
    "a blank message": [user("Hello"), answer(), user("  \n")],
    "no content": [user(None)],
    "empty parts": [user([{"type": "text", "text": ""}]), answer(), user([])],
    "text in parts": [
        user([{"type": "text", "text": "Hello"}, {"type": "text", "text": "there"}]),
        answer([{"text": "Hi"}]),
    ],
    "an empty system message": [{"role": "system", "content": ""}, user()],
    "an empty answer": [user(), answer(""), user("Are you there?"), answer(None), user("Well?")],
    "an answer last": [SYSTEM, user(), answer()],
    "an answer first": [SYSTEM, answer("How may I help?"), user()],
    "users in a row": [SYSTEM, user("Hello", name="Ann"), user("there", name="Ann"), answer(), answer("again"), user()],
    "speakers": [user("写诗", name="用户"), user("好的", name="作家"), user("不好", name="评论")],
    "names": [user("a", name="José Öland"), user("b", name="x" * 99), user("c", name="<|\\/> y"), user("d", name="")],
    "system messages later": [SYSTEM, SYSTEM, user(), answer(), {"role": "system", "content": "Be brief."}, user()],
    "a system message last": [user(), answer(), {"role": "system", "content": "Summarise the conversation."}],
    "nothing but a system message": [SYSTEM],
    "nothing": [],
    "a call": [user(), calling(call()), result(), answer("Sunny."), user("Thanks")],
    "a call just answered": [user(), calling(call()), result()],
    "the user after a tool": [user(), calling(call()), result(), user("Thanks")],
    "a call with words": [user(), calling(call(), content="I look."), result(), answer(), user()],
    "two calls": [user(), calling(call("a"), call("b")), result("b", "Rainy"), result("a"), answer(), user()],
    "a call without a result": [user(), calling(call("a"), call("b")), result("a"), user("Never mind")],
    "a call last": [user(), calling(call())],
    "a late result": [user(), calling(call()), user("Wait"), result(), user("Thanks")],
    "a result without a call": [user(), result("lost"), answer(), user()],
    "an empty result": [user(), calling(call()), result(content=""), answer(), user()],
    "a result in parts": [
        user(),
        calling(call()),
        result(content=[{"type": "text", "text": "Sunny"}]),
        answer(),
        user(),
    ],
    "a result that is no text": [user(), calling(call()), result(content={"sun": 1}), answer(), user()],
    "an id twice": [user(), calling(call()), result(), calling(call()), result(content="Rainy"), answer(), user()],
    "an id twice in one": [user(), calling(call(), call()), result(), result(content="Rainy"), answer(), user()],
    "long ids": [user(), calling(call("functions.weather:0|" + "x" * 40)), result("functions.weather:0|" + "x" * 40)],
    "no ids": [user(), calling(call(""), call(None)), result(""), result(None, "Rainy")],
    "foreign ids of results": [user(), calling(call("a"), call("b")), result("x"), result("y", "Rainy")],
    "broken arguments": [
        user(),
        calling(
            *(call(str(n), a) for n, a in enumerate(['{"city": "Par', "{", "{}{}", "[]", "", " ", "null", None, "5"]))
        ),
    ],
    "loose arguments": [
        user(),
        calling(
            call("a", {"city": "Paris"}),
            call("b", '{"t": "a\nb"}'),
            call("c", '{"n": NaN}'),
            call("d", '{"t": "\\ud83d"}'),
        ),
    ],
    "made-up tools": [
        user(),
        calling(*(call(str(n), name=name) for n, name in enumerate(["", None, "weather.get<|x|>", "天气", "w" * 99]))),
    ],
    "a call that is none": [user(), {"role": "assistant", "content": None, "tool_calls": [None, {}, {"id": "a"}]}],
    "no calls in a list": [user(), {"role": "assistant", "content": "Hi", "tool_calls": []}, user()],
    "older functions": [
        user(),
        {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": '{"ci', "id": "f1"}},
        {"role": "function", "name": "weather", "content": "Sunny"},
        answer(),
        user(),
    ],
    "reasoning": [user(), calling(call(), reasoning_content="I look."), result(), answer(reasoning="Hm."), user()],
    "another service's reasoning": [
        user(),
        calling(call(), reasoning_details=[{"type": "x"}], reasoning="I look."),
        result(),
    ],
    "a signature": [user(), calling(call(extra_content={"google": {"thought_signature": "s"}}), call("b")), result()],
    "fields of its own": [
        user(cache_control={"type": "ephemeral"}, name=None),
        answer(refusal=None, audio=None),
        user(),
    ],
    "half a character": [user("caf\udce9.txt"), calling(call(arguments='{"a": "\ud83d"}')), result(content="\ud83d")],
    "a lazy translation": [
        {"role": "system", "content": gettext_lazy("Send")},
        user(gettext_lazy("Send"), name=gettext_lazy("Send")),
    ],
    "a number": [user(5), answer(), user({"a": 1})],
}


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_accepts_each_conversation_at_once(service, scripted_llm):
    scripted_llm.always(refusing(*EVERYONE, *SERVICES[service]))
    config = scripted_llm.llm_config(profile=service)

    async def ask_all():
        for name, messages in CONVERSATIONS.items():
            tools = [TOOL] if "call" in json.dumps(messages, default=str) else []
            asked = len(scripted_llm.requests)
            await complete(config, messages, tools=tools, on_delta=lambda delta: None)
            if len(scripted_llm.requests) != asked + 1:
                yield name

    async def refused_at_first():
        return [name async for name in ask_all()]

    assert asyncio.run(refused_at_first()) == []


def test_every_profile_is_tried():
    assert set(SERVICES) == set(PROFILES)


@pytest.mark.parametrize("model", ["mistral-small", "Ministral-8B", "devstral:24b", "google/gemma-3-4b"])
def test_models_with_a_strict_template_are_served_anywhere(model, scripted_llm, ask):
    rules = SERVICES["mistral"] if "gemma" not in model else ()
    scripted_llm.always(refusing(*EVERYONE, *rules, roles_in_a_row))
    for name in ("users in a row", "the user after a tool", "answer", "speakers", "a system message last"):
        if messages := CONVERSATIONS.get(name):
            if "gemma" in model and "tool" in name:
                continue  # its template knows no tools
            ask({"config_list": [{**scripted_llm.config_list[0], "model": model}]}, messages=messages, tools=[TOOL])


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_calls_without_a_signature_are_marked_for_new_geminis(name, scripted_llm):
    base_url = "https://generativelanguage.googleapis.com/v1beta/openai/"
    profile = profile_for(api_type="openai", base_url=base_url, model="gemini-3-pro")
    assert not missing_signatures({"messages": normalized(CONVERSATIONS[name], profile, has_tools=True)})
    old = profile_for(api_type="openai", base_url=base_url, model="gemini-2.5-flash")
    assert "skip_thought" not in json.dumps(normalized(CONVERSATIONS[name], old, has_tools=True))


# --- nothing else changes ---------------------------------------------------------------------------------------------


def in_form(messages, name="generic", *, has_tools=True):
    return normalized(messages, PROFILES[name], has_tools=has_tools)


@pytest.mark.parametrize(
    "name",
    ["a greeting", "an answer last", "a system message last", "a call", "two calls", "nothing but a system message"],
)
def test_a_conversation_that_is_in_order_stays_as_it_is(name):
    def in_order(messages):
        return sorted(json.dumps(message, sort_keys=True) for message in messages)

    assert in_order(in_form(CONVERSATIONS[name])) == in_order(CONVERSATIONS[name])


def test_an_agent_s_history_is_not_touched():
    for messages in CONVERSATIONS.values():
        before = repr(messages)
        for profile in PROFILES.values():
            normalized(messages, profile, has_tools=False)
        assert repr(messages) == before


def test_a_form_is_stable():
    for name in PROFILES:
        for messages in CONVERSATIONS.values():
            once = in_form(messages, name)
            assert in_form(once, name) == once


def test_reasoning_goes_back_as_it_came():
    thought = {"reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "signature": "s"}], "reasoning": "Hm."}
    [_, back, _] = in_form([user(), calling(call(), **thought), result()])
    assert {key: back[key] for key in thought} == thought


@pytest.mark.parametrize("service", ["deepseek", "kimi"])
def test_reasoning_that_is_required_goes_back_in_its_field(service):
    [_, back, _] = in_form([user(), calling(call(), reasoning="Hm."), result()], service)
    assert back["reasoning_content"] == "Hm."
    assert "reasoning" not in back
    assert "reasoning_content" not in in_form([user(), answer(reasoning_content="Hm."), user()], "deepseek")[1]


def test_speakers_stay_apart_where_names_are_refused():
    contents = [message["content"] for message in in_form(CONVERSATIONS["speakers"], "mistral")]
    assert contents == ["用户: 写诗", "作家: 好的", "评论: 不好"]
    assert in_form([user("Hello", name="Ann"), answer(name="b")], "ollama") == [user("Hello"), answer()]


@pytest.mark.parametrize(
    ("service", "spelled"),
    [
        ("openai", ["José_Öland", "x" * 57, "______y"]),
        ("azure", ["Jose_Oland", "x" * 57, "______y"]),
    ],
)
def test_names_are_spelled_as_a_service_accepts_them(service, spelled):
    names = [message["name"] for message in in_form(CONVERSATIONS["names"], service) if "name" in message]
    assert names[0] == spelled[0]
    assert names[1].startswith(spelled[1])
    assert names[2] == spelled[2]


@pytest.mark.parametrize(
    ("one", "other"),
    [("作家", "评论"), ("a b", "a_b"), ("x" * 70 + "a", "x" * 70 + "b"), ("Ärger", "Arger"), ("!", "?")],
)
def test_names_that_differ_stay_different(one, other):
    names = [message["name"] for message in in_form([user(name=one), user(name=other), user(name=one)], "azure")]
    assert names[0] == names[2] != names[1]


def test_results_find_their_calls():
    messages = in_form(CONVERSATIONS["two calls"])
    by_id = {message["tool_call_id"]: message["content"] for message in messages if message["role"] == "tool"}
    assert by_id == {"a": "Sunny", "b": "Rainy"}
    contents = [m["content"] for m in in_form(CONVERSATIONS["foreign ids of results"]) if m["role"] == "tool"]
    assert contents == ["Sunny", "Rainy"]
    contents = [m["content"] for m in in_form(CONVERSATIONS["an id twice"]) if m["role"] == "tool"]
    assert contents == ["Sunny", "Rainy"]


def test_a_result_without_a_call_is_still_read():
    assert "Sunny" in in_form(CONVERSATIONS["a result without a call"])[1]["content"]


def test_ids_that_fit_are_kept_and_others_are_the_same_every_time():
    assert (
        in_form([user(), calling(call("functions.weather:0")), result("functions.weather:0")], "kimi")[1]["tool_calls"][
            0
        ]["id"]
        == "functions.weather:0"
    )
    short, longer = (in_form(CONVERSATIONS["long ids"] + more, "mistral") for more in ([], [answer(), user()]))
    assert longer[: len(short)] == short


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"city":  "Paris"}', '{"city":  "Paris"}'),
        ('{"t": "a\nb"}', '{"t": "a\\nb"}'),
        ('{"n": NaN}', '{"n": null}'),
        ({"city": "Köln"}, '{"city": "Köln"}'),
        ("{", "{}"),
    ],
)
def test_arguments_are_the_json_of_an_object(arguments, sent):
    assert (
        in_form([user(), calling(call(arguments=arguments)), result()])[1]["tool_calls"][0]["function"]["arguments"]
        == sent
    )


def test_calls_are_told_where_a_request_offers_no_tools():
    told = in_form(CONVERSATIONS["a call"], "anthropic", has_tools=False)
    assert [message["role"] for message in told] == ["user", "assistant", "user", "assistant", "user"]
    assert "weather" in told[1]["content"]
    assert "Sunny" in told[2]["content"]


def test_images_stay_in_their_parts():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    content = [{"type": "text", "text": "What is this?"}, image]
    for name in PROFILES:
        assert in_form([user(content)], name) == [user(content)]


def test_a_long_conversation_takes_little_time():
    turns = [user("x" * 200), calling(call("same")), result("same"), answer("y" * 200)] * 1000
    begun = time.perf_counter()
    normalized(turns, GENERIC, has_tools=True)
    assert time.perf_counter() - begun < 2  # on the server's loop: a hundredth of it for a chat of usual length
