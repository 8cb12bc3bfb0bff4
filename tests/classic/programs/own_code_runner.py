# replies: ["```python\nprint(1)\n```", "It printed 1. TERMINATE"]

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


ran = []


def run_code(recipient, messages, sender, config):
    if "```python" not in messages[-1]["content"]:
        return False, None
    ran.append(messages[-1]["content"])
    return True, "exitcode: 0 (execution succeeded)\nCode output: 1"


bot = autogen.AssistantAgent("bot", llm_config=llm_config)
user = autogen.UserProxyAgent(
    "user",
    human_input_mode="NEVER",
    code_execution_config=False,
    max_consecutive_auto_reply=3,
    is_termination_msg=lambda message: "TERMINATE" in message["content"],
)
user.register_reply(autogen.Agent, run_code, position=2)
assert user.initiate_chat(bot, message="print one").summary == "It printed 1. "
assert len(ran) == 1
