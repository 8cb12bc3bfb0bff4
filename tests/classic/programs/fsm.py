# replies: ["plan", "code", "plan 2"]

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
planner, engineer = (autogen.AssistantAgent(name, llm_config=llm_config) for name in ("planner", "engineer"))
groupchat = autogen.GroupChat(
    agents=[user, engineer, planner],
    messages=[],
    max_round=4,
    allowed_or_disallowed_speaker_transitions={user: [planner], planner: [engineer], engineer: [planner]},
    speaker_transitions_type="allowed",
)
manager = autogen.GroupChatManager(groupchat=groupchat, llm_config=llm_config)
user.initiate_chat(manager, message="go")
said = [(message["name"], message["content"]) for message in groupchat.messages]
assert said == [("user", "go"), ("planner", "plan"), ("engineer", "code"), ("planner", "plan 2")]
