# replies: ["inner one", "inner two"]

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


class Mind(autogen.ConversableAgent):
    """Like contrib's SocietyOfMindAgent: a group chat is what it thinks."""

    def __init__(self, name, chat_manager, **kwargs):
        super().__init__(name=name, **kwargs)
        self.inner = chat_manager
        self.register_reply([autogen.Agent, None], Mind.think)

    def think(self, messages=None, sender=None, config=None):
        if messages is None:
            messages = self._oai_messages[sender]
        self.initiate_chat(self.inner, message=messages[-1], clear_history=False)
        return True, " | ".join(message["content"] for message in self.inner.groupchat.messages)


writer = autogen.AssistantAgent("writer", llm_config=llm_config)
critic = autogen.ConversableAgent("critic", human_input_mode="NEVER", default_auto_reply="hm")
groupchat = autogen.GroupChat([writer, critic], [], 3, speaker_selection_method="round_robin")
manager = autogen.GroupChatManager(groupchat, llm_config=llm_config)
mind = Mind("mind", manager, llm_config=llm_config, human_input_mode="NEVER")
user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
assert user.initiate_chat(mind, message="think", max_turns=1).summary == "think | inner one | hm"
