# replies: [["make_move", {"move": "e2e4"}], "I moved e4", ["make_move", {"move": "e7e5"}], "I moved e5", "Draw."]

import autogen

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


made = []


def make_move(move: str) -> str:
    made.append(move)
    return f"ok {move}"


white, black = (
    autogen.ConversableAgent(name, llm_config=llm_config, human_input_mode="NEVER") for name in ("white", "black")
)
board = autogen.ConversableAgent(
    "board", llm_config=False, human_input_mode="NEVER", is_termination_msg=lambda message: "tool_calls" not in message
)
for player, other in ((white, black), (black, white)):
    autogen.register_function(make_move, caller=player, executor=board, name="make_move", description="Move.")
    player.register_nested_chats(
        trigger=other,
        chat_queue=[{"sender": board, "recipient": player, "summary_method": "last_msg", "silent": True}],
    )
result = black.initiate_chat(white, message="Your move.", max_turns=2)
assert made == ["e2e4", "e7e5"]
assert [message["content"] for message in result.chat_history][:3] == ["Your move.", "I moved e4", "I moved e5"]
