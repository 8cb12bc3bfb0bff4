# replies: ["noted"]

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


class Memory:
    """Like contrib's Teachability: a capability that is added to an agent."""

    def __init__(self):
        self.memos = []

    def add_to_agent(self, agent):
        agent.register_hook(hookable_method="process_last_received_message", hook=self.process)
        agent.register_hook(hookable_method="process_all_messages_before_reply", hook=lambda messages: messages[-2:])
        agent._oai_system_message[0]["content"] += " You remember."

    def process(self, text):
        self.memos.append(text)
        return f"{text}\n# Memories: {len(self.memos)}"


seen = []
bot = autogen.ConversableAgent("bot", "You help.", llm_config=llm_config, human_input_mode="NEVER")
memory = Memory()
memory.add_to_agent(bot)
bot.register_reply(
    [autogen.Agent, None], lambda recipient, messages, sender, config: (False, seen.append(messages[-1]["content"]))
)
user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
assert user.initiate_chat(bot, message="I like cats", max_turns=1).summary == "noted"
assert bot.system_message == "You help. You remember."
assert (memory.memos, seen) == (["I like cats"], ["I like cats\n# Memories: 1"])
