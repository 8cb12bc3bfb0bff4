"""What agents have used, printed and summed."""

import autogen
from autogen import OpenAIWrapper, gather_usage_summary

config_list = autogen.config_list_from_json("OAI_CONFIG_LIST")
for config in config_list:
    config["price"] = [0.001, 0.002]

client = OpenAIWrapper(config_list=config_list)
response = client.create(messages=[{"role": "user", "content": "Hello?"}], cache_seed=None)
print("RESULT", client.extract_text_or_completion_object(response), response.cost)

assistant = autogen.AssistantAgent("assistant", llm_config={"config_list": config_list, "cache_seed": None})
other = autogen.AssistantAgent("other", llm_config={"config_list": config_list, "cache_seed": None})
user = autogen.UserProxyAgent(
    "user", human_input_mode="NEVER", max_consecutive_auto_reply=0, code_execution_config=False
)

user.initiate_chat(assistant, message="One?")
result = user.initiate_chat(assistant, message="Two?")

client.print_usage_summary()
assistant.print_usage_summary()
assistant.print_usage_summary(mode="actual")
user.print_usage_summary()
print("RESULT", user.get_actual_usage(), other.get_total_usage())
print("RESULT", assistant.get_actual_usage() == assistant.get_total_usage())
print("RESULT", gather_usage_summary([assistant, other, user]) == result.cost)
print("RESULT", sorted(result.cost["usage_excluding_cached_inference"]["scripted"].items()))
assistant.reset()
print("RESULT", assistant.get_actual_usage())
