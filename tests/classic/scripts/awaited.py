"""The same agents, awaited: chats with prerequisites, async tools and async reply functions."""

import asyncio

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


async def main():
    user = autogen.UserProxyAgent(
        "user",
        human_input_mode="NEVER",
        is_termination_msg=lambda x: "TERMINATE" in (x.get("content") or ""),
        code_execution_config=False,
    )
    one = autogen.AssistantAgent("one", llm_config=llm_config)
    two = autogen.ConversableAgent("two", human_input_mode="NEVER", llm_config=False)

    @user.register_for_execution()
    @one.register_for_llm(description="Wait for a moment.")
    async def timer(num_seconds: int) -> str:
        await asyncio.sleep(0)
        return f"waited {num_seconds}"

    async def my_asynchronous_function(recipient, messages, sender, config):
        await asyncio.sleep(0)
        return True, f"two heard {messages[-1]['content']!r}"

    two.register_reply([autogen.Agent, None], my_asynchronous_function)

    results = await user.a_initiate_chats(
        [
            {"chat_id": 1, "recipient": one, "message": "Wait.", "silent": True},
            {"chat_id": 2, "prerequisites": [1], "recipient": two, "message": "And?", "max_turns": 1},
        ]
    )
    print("RESULT", [(number, result.summary) for number, result in sorted(results.items())])
    print("RESULT", (await two.a_generate_reply(messages=[{"role": "user", "content": "so"}])))


asyncio.run(main())
