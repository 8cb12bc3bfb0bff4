"""docs/migrating.md claims only what a test shows: each row of its tables and each point of its lists has one."""

import asyncio
import importlib
from pathlib import Path

import pytest

from agentchat import AssistantAgent, ConversableAgent, OpenAIWrapper, UserProxyAgent, llm_config
from agentchat.cache import Cache
from agentchat.errors import ConfigError
from agentchat.io import IOStream
from agentchat.testing import say
from tests.unattended import never

pytestmark = pytest.mark.usefixtures("stream")

TESTS = Path(__file__).resolve().parents[1]
DOCUMENT = (TESTS.parent / "docs" / "migrating.md").read_text("utf-8")

SHOWN_BY = {
    # the way of the imports
    "| `autogen`, `autogen.agentchat`": "core/test_classic_imports.py test_a_path_leads_to_the_public_names",
    "| `autogen.io`": "classic/test_migrating.py test_streams_are_at_the_same_paths",
    "| `autogen.cache`": "test_cache.py test_another_seed_is_another_cache",
    "| `autogen.agentchat.chat.initiate": "core/test_classic_imports.py test_a_path_leads_to_the_public_names",
    "| `autogen.agentchat.utils": "core/test_classic_imports.py test_a_path_leads_to_the_public_names",
    "| `autogen.oai.client": "core/test_classic_imports.py test_a_path_leads_to_the_public_names",
    # what is there
    "- `ConversableAgent`, `AssistantAgent`": "classic/test_scripts.py test_sequential_chats_carry_over",
    "- `register_function`, `initiate_chats`": "test_public_names.py test_a_public_name_is_there",
    "- `OpenAIWrapper` with": "agents/test_openai_wrapper.py test_templates_are_filled_in_with_the_context",
    "- `Cache.disk`": "test_cache.py test_what_was_set_is_got_and_nothing_else",
    "- `IOStream`, `IOConsole`": "io/test_websockets.py test_the_chat_of_the_guide_runs_offline",
    # agents
    "| `code_execution_config` runs": "agents/test_conversable.py test_no_code_is_run",
    "| a chat of some 240 turns": "agents/chats/test_two_agent.py test_ten_thousand_turns_need_no_more_stack_than_one",
    "| a chat that nobody ends": "agents/chats/test_repeated_replies.py test_equal_and_empty_replies_end_after_three",
    "| `ChatResult.chat_history`": (
        "agents/chats/test_two_agent.py test_a_new_chat_forgets_the_one_before_and_its_result_stays"
    ),
    "| a queue's dicts get": "agents/chats/test_sequence.py test_the_queue_stays_as_it_is_and_can_be_had_again",
    "| hooks change the history": "agents/test_hooks.py test_the_last_message_can_be_changed_for_the_reply_alone",
    "| chats that wait for each": "agents/chats/test_sequence.py test_prerequisites_that_can_never_be_met_are_refused",
    "| async reply functions raise": "classic/test_migrating.py test_what_a_program_hands_in_may_be_async",
    "| an `a_` method is": "classic/test_migrating.py test_an_overridden_method_is_called_in_the_chats_of_its_kind",
    "| `a_initiate_chat` asks": "agents/test_async_api.py test_the_user_can_be_awaited",
    "| `_print_received_message`": (
        "classic/test_programs.py test_overriding_a_method_that_is_never_called_is_refused",
        "classic/test_programs.py test_what_is_received_passes_the_method_that_programs_override",
        "classic/test_execute_function.py test_it_is_called_for_each_tool_call",
    ),
    "| `ChatResult.chat_id`": (
        "agents/chats/test_two_agent.py test_a_new_chat_forgets_the_one_before_and_its_result_stays"
    ),
    "| an `AssistantAgent`, or": (
        "classic/test_programs.py test_an_assistant_without_a_model_is_told_at_construction",
        "classic/test_programs.py test_a_manager_that_has_no_model_to_choose_with_is_told",
    ),
    "| agents of one name": "classic/test_programs.py test_a_model_cannot_choose_between_agents_of_one_name",
    "| in async chats, each": (
        "classic/test_programs.py test_automatic_replies_are_counted_alike_in_both_kinds_of_chats"
    ),
    "| `register_for_llm` requires": (
        "agents/replies/test_tool_calls.py test_the_docstring_describes_a_tool_without_a_description"
    ),
    "| `function_map` may be": "classic/test_programs.py test_writing_into_the_function_map_is_no_silent_loss",
    "| an argument of the wrong": "tools/test_annotations.py test_what_does_not_fit_is_named_for_the_model",
    "| an answer is printed twice": (
        "agents/test_llm_step.py test_a_streamed_answer_reads_as_in_autogen_and_comes_once",
        "io/test_websockets.py test_whole_messages_come_once_more_in_one_frame",
        "io/test_websockets.py test_the_notebooks_own_client_ends_however_the_model_streams",
    ),
    "| `AssertionError`, `RuntimeError`": (
        "classic/test_programs.py test_a_mistake_is_named",
        "llm/test_openai_errors.py test_a_config_error_is_a_value_error",
    ),
    "| a tool's result is": "tools/test_execution.py test_results_are_json_where_they_can_be",
    "| to an agent outside": (
        "agents/group/test_manager.py test_a_chat_started_from_outside_is_summed_up_by_its_last_message"
    ),
    "| a manager's own `run_chat`": "classic/test_public_recipes.py test_a_published_program_runs_unchanged",
    "| a message that calls tools": "classic/test_programs.py test_a_call_has_a_text_as_content",
    "| an agent's `llm_config`": "classic/test_migrating.py test_a_config_that_is_changed_later_holds",
    "| `max_turns=0` or": (
        "agents/chats/test_two_agent.py test_a_chat_has_one_turn_at_least",
        "agents/test_conversable.py test_what_cannot_work_is_refused_at_once",
    ),
    "| `clear_history(agent, ": "classic/test_migrating.py test_a_history_with_one_partner_keeps_its_newest_messages",
    # models
    "| answers are cached on": (
        "llm/test_caching.py test_without_a_cache_it_is_asked_again",
        "llm/test_caching.py test_a_cache_seed_in_the_config_is_a_cache_on_disk",
        "test_cache.py test_only_json_is_cached",
        "test_cache.py test_the_directory_and_its_files_are_the_owner_s_alone",
    ),
    "| the cache key": "classic/test_migrating.py test_another_service_is_asked_although_the_answer_of_one_is_cached",
    "| a cache applies": "agents/test_openai_wrapper.py test_a_cache_is_for_one_chat_and_those_within_it",
    "| the cost of an unknown": (
        "llm/test_usage.py test_a_cost_is_a_number_and_says_where_a_price_is_missing",
        "llm/test_usage.py test_the_summary_says_what_is_unknown_and_what_came_from_a_cache",
    ),
    "| prices of 2024": (
        "llm/test_pricing.py test_a_known_model_of_a_known_service_has_its_published_price",
        "llm/test_pricing.py test_cached_prompt_tokens_cost_less",
    ),
    "| the next entry is asked on": "llm/test_client.py test_the_next_entry_goes_on_where_an_answer_breaks_off",
    "| one attempt for each": (
        "llm/test_client.py test_an_entry_is_asked_again_only_so_often",
        "llm/test_client.py test_retry_after_is_honoured",
        "classic/test_migrating.py test_a_rate_limit_of_an_entry_is_neither_sent_nor_kept",
    ),
    "| `stream` chooses": "agents/test_openai_wrapper.py test_nothing_is_emitted_unless_it_is_streamed",
    "| `timeout` is for": "llm/test_config_entries.py test_timeouts_are_seconds_of_silence",
    "| an error is the SDK's": (
        "llm/test_openai_errors.py test_what_a_model_raises_is_ours_and_the_sdk_s",
        "llm/test_openai_errors.py test_a_recorded_error_is_raised_as_it_was",
    ),
    "| an `http_client` must": "llm/test_config_entries.py test_a_config_is_copied_without_its_http_clients",
    "| `create(prompt=": "agents/test_openai_wrapper.py test_a_prompt_stands_for_one_message",
    "| a model client's exception": "llm/test_model_client.py test_the_next_entry_answers_when_it_fails",
    # in a run
    "- The function is called again": (
        "agents/test_in_runs.py test_a_run_that_waits_within_a_nested_chat_continues_there"
    ),
    "- `asyncio.run(user.a_initiate": (
        "agents/test_in_runs.py test_awaited_chats_of_a_run_take_place_one_after_the_other",
        "agents/test_in_runs.py test_an_async_tool_may_await_an_agent",
    ),
}


def test_each_claim_is_shown_by_tests():
    rows = [line for line in DOCUMENT.splitlines() if line.startswith(("| ", "- "))]
    claims = [row for row in rows if not row.startswith(("| you wrote", "| classic |"))]
    assert [row for row in claims if not row.startswith(tuple(SHOWN_BY))] == []
    assert [key for key in SHOWN_BY if not any(row.startswith(key) for row in claims)] == []
    shown_by = [test for each in SHOWN_BY.values() for test in ([each] if isinstance(each, str) else each)]
    assert [test for test in shown_by if not _exists(*test.split())] == []


def _exists(path, name):
    return f"def {name}(" in (TESTS / path).read_text("utf-8")


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("io", ["IOStream", "IOConsole", "IOWebsockets", "InputStream", "OutputStream"]),
        ("io.base", ["IOStream", "InputStream", "OutputStream"]),
        ("io.console", ["IOConsole"]),
        ("io.websockets", ["IOWebsockets"]),
    ],
)
def test_streams_are_at_the_same_paths(module, names):
    found = importlib.import_module(f"agentchat.{module}")
    assert [name for name in names if not hasattr(found, name)] == []


async def later(value):
    await asyncio.sleep(0)
    return value


@pytest.mark.parametrize("is_awaited", [False, True])
def test_what_a_program_hands_in_may_be_async(is_awaited):
    async def reply(recipient, messages, sender, config):
        return await later((True, f"to {messages[-1]['content']}"))

    async def shout(sender, message, recipient, silent):
        return await later(f"{message}!")

    user, bot = never("user"), never("bot")
    bot.register_reply([ConversableAgent, None], reply)
    bot.register_hook("process_message_before_send", shout)
    settings = {
        "message": lambda sender, recipient, context: later("hello"),
        "summary_method": lambda sender, recipient, args: later(f"summary {len(sender.chat_messages[recipient])}"),
        "max_turns": 1,
    }
    start = user.a_initiate_chat if is_awaited else user.initiate_chat
    result = asyncio.run(start(bot, **settings)) if is_awaited else start(bot, **settings)
    assert [message["content"] for message in result.chat_history] == ["hello", "to hello!"]
    assert result.summary == "summary 2"


@pytest.mark.parametrize("method", ["get_human_input", "a_get_human_input"])
def test_an_overridden_method_is_called_in_the_chats_of_its_kind(method):
    def plain(self, prompt):
        return "overridden"

    async def awaited(self, prompt):
        return "overridden"

    override = awaited if method.startswith("a_") else plain
    user = type("Mine", (UserProxyAgent,), {method: override})("user")
    replies = [user.initiate_chat, lambda *args, **more: asyncio.run(user.a_initiate_chat(*args, **more))]
    IOStream.get_default().answer("asked", "asked")
    typed = [start(never("bot", "hm"), message="go", max_turns=2).chat_history[2]["content"] for start in replies]
    assert typed == (["asked", "overridden"] if method.startswith("a_") else ["overridden", "overridden"])


def test_a_history_with_one_partner_keeps_its_newest_messages():
    user, bot, other = never("user"), never("bot", "hm"), never("other", "hm")
    for partner in (bot, other):
        user.initiate_chat(partner, message="go", max_turns=2)
    user.clear_history(bot, nr_messages_to_preserve=1)
    assert [len(user.chat_messages[partner]) for partner in (bot, other)] == [1, 4]


def test_another_service_is_asked_although_the_answer_of_one_is_cached(scripted_llm):
    scripted_llm.replies(say("one"), say("two"))
    [entry] = scripted_llm.config_list
    services = [entry, {**entry, "base_url": entry["base_url"].replace("127.0.0.1", "localhost")}]
    with Cache.memory() as cache:
        answers = [
            OpenAIWrapper(config_list=[service]).create(messages=[{"role": "user", "content": "hi"}], cache=cache)
            for service in (*services, *services)
        ]
    assert [answer.choices[0].message.content for answer in answers] == ["one", "two", "one", "two"]


def test_a_rate_limit_of_an_entry_is_neither_sent_nor_kept(scripted_llm):
    scripted_llm.replies(say("one"), say("two"))
    bot = AssistantAgent("bot", llm_config=llm_config(api_rate_limit=0.001))  # one request in 1,000 s
    for _ in range(2):
        bot.generate_reply([{"role": "user", "content": "hi"}])
    assert all("api_rate_limit" not in request for request in scripted_llm.requests)


def test_a_cache_in_cosmos_db_says_what_there_is_instead():
    with pytest.raises(ConfigError, match=r"Cosmos DB.*Cache\.redis"):
        Cache.cosmos_db(connection_string="AccountKey=secret", container_id="c")


def test_a_config_that_is_changed_later_holds(scripted_llm):
    scripted_llm.replies(say("one"))
    bot = AssistantAgent("bot", llm_config=llm_config())
    bot.llm_config["temperature"] = 0.7
    bot.generate_reply([{"role": "user", "content": "hi"}])
    assert scripted_llm.requests[0]["temperature"] == 0.7
