"""The same chat, three times: without a cache, and twice with one on disk."""

import autogen
from autogen.cache import Cache

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}
assistant = autogen.AssistantAgent("assistant", llm_config=llm_config)
user = autogen.UserProxyAgent(
    "user", human_input_mode="NEVER", max_consecutive_auto_reply=0, code_execution_config=False
)

print("RESULT", user.initiate_chat(assistant, message="How are you?").summary)
with Cache.disk(cache_seed=43, cache_path_root=".kept") as cache:
    print("RESULT", user.initiate_chat(assistant, message="How are you?", cache=cache).summary)
    result = user.initiate_chat(assistant, message="How are you?", cache=cache)
    print("RESULT", result.summary)
print("RESULT", user.initiate_chat(assistant, message="How are you?").summary)
