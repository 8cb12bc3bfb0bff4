# replies: ["j1", "I gotta go", "The last one was j1."]

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


def ends(message):
    return "I gotta go" in message["content"]


cathy, joe = (
    autogen.ConversableAgent(name, llm_config=llm_config, human_input_mode="NEVER", is_termination_msg=ends)
    for name in ("cathy", "joe")
)
result = joe.initiate_chat(recipient=cathy, message="I'm Joe. Let's tell jokes.")
assert [message["content"] for message in result.chat_history][1:] == ["j1", "I gotta go"]
joe._is_termination_msg = lambda message: True
cathy.send(message="What's the last joke we talked about?", recipient=joe, request_reply=False)
assert cathy.last_message(joe)["content"] == "What's the last joke we talked about?"
