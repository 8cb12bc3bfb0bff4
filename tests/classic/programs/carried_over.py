# replies: ["A", "B", "C"]

import asyncio

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


first, second, third = (autogen.AssistantAgent(name, llm_config=llm_config) for name in ("first", "second", "third"))
user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)


def with_carryover(sender, recipient, context):
    carried = context["carryover"]
    return f"{context['topic']}: {carried[-1] if isinstance(carried, list) else carried}"


async def main():
    return await user.a_initiate_chats(
        [
            {"chat_id": 1, "recipient": first, "message": "m1", "max_turns": 1, "summary_method": "last_msg"},
            {"chat_id": 2, "prerequisites": [1], "recipient": second, "message": "m2", "max_turns": 1},
            {
                "chat_id": 3,
                "prerequisites": [1, 2],
                "recipient": third,
                "message": with_carryover,
                "topic": "cats",
                "max_turns": 1,
                "summary_method": lambda sender, recipient, args: f"{sender.name} {args['word']}",
                "summary_args": {"word": "asked"},
            },
        ]
    )


results = asyncio.run(main())
assert second.chat_messages[user][0]["content"] == "m2\nContext: \nA"
assert third.chat_messages[user][0]["content"] == "cats: B"
assert results[3].summary == "user asked"
