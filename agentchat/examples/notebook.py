# %% [markdown]
"""
# Agents behind a websocket, step by step

Run it as it is, `python -m agentchat.examples.notebook`, or open it as a notebook: editors and jupytext read this
format, where `# %%` begins a cell.
"""

# %% [markdown]
# ## The model
#
# `llm_config()` takes the model that the environment names: a config list in `OAI_CONFIG_LIST`, or `OPENAI_API_KEY` and
# the like. Without any of them the demo model answers, which is scripted. Pass your own list as
# `{"config_list": config_list_from_json("OAI_CONFIG_LIST", filter_dict={"model": ["gpt-5.4-mini"]})}`.

# %%
from datetime import datetime
from typing import Any

from websockets.sync.client import connect

from agentchat import ConversableAgent, IOWebsockets, UserProxyAgent, llm_config, register_function

config = llm_config()
print("Models:", [entry["model"] for entry in config["config_list"]])

# %% [markdown]
# ## What happens when a client connects
#
# The server calls this function for each client, in a thread of its own. It is plain synchronous code; everything that
# the agents print in it is sent to the client.


# %%
def weather_forecast(city: str) -> str:
    return f"The weather forecast for {city} at {datetime.now():%H:%M} is sunny."


def says_terminate(message: dict[str, Any]) -> bool:
    return (message.get("content") or "").rstrip().endswith("TERMINATE")


def on_connect(iostream: IOWebsockets) -> None:
    # 1. Receive the first message.
    question = iostream.input()

    # 2. Create the agent that answers it.
    agent = ConversableAgent(
        name="chatbot",
        system_message="Complete a task given to you and reply TERMINATE when the task is done. If asked about the "
        "weather, use tool weather_forecast(city) to get the weather forecast for a city.",
        llm_config=config,
        human_input_mode="NEVER",
    )

    # 3. Create the agent that represents the user: it runs tools, and recognizes the end of the chat.
    user_proxy = UserProxyAgent(
        name="user_proxy",
        is_termination_msg=says_terminate,
        human_input_mode="NEVER",
        max_consecutive_auto_reply=10,
    )

    # 4. Let the first one call the tool, and the second one run it.
    register_function(weather_forecast, caller=agent, executor=user_proxy, description="Weather forecast for a city")

    # 5. Start the chat. The connection is closed when this function returns.
    user_proxy.initiate_chat(agent, message=question)


# %% [markdown]
# ## A client
#
# The server runs as long as the `with` block does. The client prints what it receives until the server closes.

# %%
with IOWebsockets.run_server_in_thread(on_connect=on_connect, port=0) as uri, connect(uri) as websocket:
    print(f"Connected to {uri}\n")
    websocket.send("Check out the weather in Paris and write a poem about it.")
    for frame in websocket:
        print(frame, end="", flush=True)

# %% [markdown]
# ## A page
#
# `python -m agentchat.examples.fastapi_page` and `python -m agentchat.examples.http_server_page` serve a page for
# the same function. For accounts, a history, and chats that outlive the process, use the Django app.
