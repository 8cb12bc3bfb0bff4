# replies: ["model", "seen"]

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


class Mine:
    """An agent that is no ConversableAgent."""

    name, description = "mine", "echoes"

    def send(self, message, recipient, request_reply=None, silent=False):
        recipient.receive(message, self, request_reply)

    def receive(self, message, sender, request_reply=None, silent=False):
        self.received = message

    def generate_reply(self, messages=None, sender=None, **kwargs):
        return "mine"


class Loud(autogen.AssistantAgent):
    def generate_reply(self, messages=None, sender=None, **kwargs):
        reply = super().generate_reply(messages, sender, **kwargs)
        return reply.upper() if isinstance(reply, str) else reply


class Counted(autogen.GroupChatManager):
    asked = 0

    def run_chat(self, messages=None, sender=None, config=None):
        self.asked += 1
        return super().run_chat(messages, sender, config)


mine, loud = Mine(), Loud("loud", llm_config=llm_config)
assert isinstance(mine, autogen.Agent)
loud.receive("hello", mine, request_reply=True)
assert mine.received == "MODEL"
user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
image = [{"type": "text", "text": "What?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}]
assert user.initiate_chat(loud, message={"content": image}, max_turns=1).summary == "SEEN"
members = [autogen.ConversableAgent("other", human_input_mode="NEVER", default_auto_reply="other!"), user]
manager = Counted(autogen.GroupChat(members, [], 2, speaker_selection_method="round_robin"))
outsider = autogen.ConversableAgent("outsider", human_input_mode="NEVER")
assert outsider.initiate_chat(manager, message="go", max_turns=1).summary == "other!"
assert manager.asked == 1
