"""A writer whose work is reviewed in a nested chat before the user gets it."""

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}

writer = autogen.AssistantAgent(name="Writer", llm_config=llm_config, system_message="You write blog posts.")
user_proxy = autogen.UserProxyAgent(
    name="User",
    human_input_mode="NEVER",
    is_termination_msg=lambda x: x.get("content", "").find("TERMINATE") >= 0,
    code_execution_config=False,
)
critic = autogen.AssistantAgent(name="Critic", llm_config=llm_config, system_message="You are a critic.")
editor = autogen.AssistantAgent(name="Editor", llm_config=llm_config, system_message="You are an editor.")


def reflection_message(recipient, messages, sender, config):
    written = recipient.chat_messages_for_summary(sender)[-1]["content"]
    return f"Reflect and provide critique on the following writing. \n\n {written}"


user_proxy.register_nested_chats(
    [
        {"recipient": critic, "message": reflection_message, "summary_method": "last_msg", "max_turns": 1},
        {"recipient": editor, "message": "Rewrite it.", "summary_method": "last_msg", "max_turns": 1},
    ],
    trigger=writer,
)

result = user_proxy.initiate_chat(
    recipient=writer, message="Write about chips.", max_turns=2, summary_method="last_msg"
)

print("RESULT", [message["content"] for message in result.chat_history], repr(result.summary))
print("RESULT", [message["content"] for message in editor.chat_messages[user_proxy]])
