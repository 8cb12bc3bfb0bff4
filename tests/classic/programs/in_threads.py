# replies: ["ok", "ok", "ok", "ok", "ok", "ok"]

import asyncio
from concurrent.futures import ThreadPoolExecutor

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


def pair(number):
    bot = autogen.AssistantAgent(f"bot_{number}", llm_config=llm_config)
    return autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False), bot


def chat(number):
    user, bot = pair(number)
    return user.initiate_chat(bot, message=str(number), max_turns=1, silent=True).chat_history


with ThreadPoolExecutor(2) as threads:
    histories = list(threads.map(chat, range(3)))
assert [[message["content"] for message in each] for each in histories] == [["0", "ok"], ["1", "ok"], ["2", "ok"]]


async def main():
    one, two, three = (pair(number) for number in "123")
    in_a_thread = asyncio.to_thread(one[0].initiate_chat, one[1], message="1", max_turns=1)
    awaited = (user.a_initiate_chat(bot, message="m", max_turns=1) for user, bot in (two, three))
    return [result.summary for result in await asyncio.gather(in_a_thread, *awaited)]


assert asyncio.run(main()) == ["ok", "ok", "ok"]
