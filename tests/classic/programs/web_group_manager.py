# replies: ["b one", "b two"]

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


class GroupChatManagerWeb(autogen.GroupChatManager):
    """Of the same demo: it has a copy of the loop of AutoGen 0.2."""

    def __init__(self, groupchat, **kwargs):
        super().__init__(groupchat=groupchat, **kwargs)
        self.seen = []
        self.register_reply(
            autogen.Agent, GroupChatManagerWeb.run_chat, config=groupchat, reset_config=autogen.GroupChat.reset
        )

    def run_chat(self, messages=None, sender=None, config=None):
        message = (self._oai_messages[sender] if messages is None else messages)[-1]
        speaker, groupchat = sender, config
        for number in range(groupchat.max_round):
            if message["role"] != "function":
                message["name"] = speaker.name
            groupchat.append(message, speaker)
            self.seen.append(message["content"])
            for agent in groupchat.agents:
                if agent != speaker:
                    self.send(message, agent, request_reply=False, silent=True)
            if number == groupchat.max_round - 1:
                break
            speaker = groupchat.select_speaker(speaker, self)
            reply = speaker.generate_reply(sender=self)
            if reply is None:
                break
            speaker.send(reply, self, request_reply=False)
            message = self.last_message(speaker)
        return True, None


user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False, default_auto_reply="u!")
bot = autogen.AssistantAgent("bot", llm_config=llm_config)
groupchat = autogen.GroupChat([user, bot], [], 4, speaker_selection_method="round_robin")
manager = GroupChatManagerWeb(groupchat, llm_config=llm_config)
user.initiate_chat(manager, message="go")
assert manager.seen == ["go", "b one", "u!", "b two"]
assert [message["name"] for message in groupchat.messages] == ["user", "bot", "user", "bot"]
