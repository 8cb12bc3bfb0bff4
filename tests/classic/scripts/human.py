"""A human in the loop, in the mode that the first argument names."""

import sys

import autogen

assistant = autogen.ConversableAgent(
    "assistant",
    llm_config={"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None},
    human_input_mode="NEVER",
)
human = autogen.UserProxyAgent(
    "human",
    human_input_mode=sys.argv[1],
    max_consecutive_auto_reply=2,
    default_auto_reply="go on",
    code_execution_config=False,
)


@human.register_for_execution()
@assistant.register_for_llm(description="Add two numbers.")
def add(a: int, b: int) -> int:
    return a + b


result = human.initiate_chat(assistant, message=None)

print("RESULT", [message["content"] for message in result.chat_history], result.human_input)
