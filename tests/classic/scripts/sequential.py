"""Chats one after another: what came of each is carried over to the next."""

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}

financial_assistant = autogen.AssistantAgent("Financial_assistant", llm_config=llm_config)
researcher = autogen.AssistantAgent("Researcher", llm_config=llm_config)
writer = autogen.AssistantAgent(
    "writer", llm_config=llm_config, system_message="You are a professional writer. Reply TERMINATE when done."
)
user = autogen.UserProxyAgent(
    "User",
    human_input_mode="NEVER",
    is_termination_msg=lambda x: x.get("content", "").find("TERMINATE") >= 0,
    code_execution_config=False,
)


def ask_writer(sender, recipient, context):
    return f"{sender.name} asks {recipient.name}, with {context['carryover'][-1]!r}"


chat_results = user.initiate_chats(
    [
        {
            "recipient": financial_assistant,
            "message": "What are the prices of NVDA and TESLA?",
            "clear_history": True,
            "silent": False,
            "summary_method": "last_msg",
        },
        {
            "recipient": researcher,
            "message": "Investigate possible reasons of the prices.",
            "summary_method": "reflection_with_llm",
            "summary_args": {"summary_prompt": "Sum up the reasons."},
            "max_turns": 1,
        },
        {
            "recipient": writer,
            "message": "Develop an engaging blog post.",
            "carryover": "I want to include a figure.",
            "finished_chat_indexes_to_exclude_from_carryover": [0],
        },
        {"recipient": writer, "message": ask_writer, "clear_history": False, "summary_method": None, "max_turns": 1},
    ]
)

for chat in chat_results:
    print("RESULT", repr(chat.chat_history[0]["content"]), len(chat.chat_history), repr(chat.summary), chat.human_input)
print("RESULT", user.get_chat_results(0) is chat_results[0])

same = autogen.initiate_chats([{"sender": user, "recipient": writer, "message": "Again.", "max_turns": 1}])
print("RESULT", repr(same[0].summary))
