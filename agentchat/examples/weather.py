"""The agent function that the examples serve: one question, answered with a tool, and the chat is over."""

from datetime import datetime
from typing import Any

from agentchat import ConversableAgent, IOStream, UserProxyAgent, llm_config, register_function


def weather_forecast(city: str) -> str:
    """A forecast that is always the same."""
    return f"The weather forecast for {city} at {datetime.now():%H:%M} is sunny."


def says_terminate(message: dict[str, Any]) -> bool:
    return (message.get("content") or "").rstrip().endswith("TERMINATE")


def on_connect(iostream: IOStream) -> None:
    """Runs for each client, in a thread of its own; its return closes the connection."""
    question = iostream.input()
    agent = ConversableAgent(
        "chatbot",
        system_message="Complete a task given to you and reply TERMINATE when the task is done. If asked about the "
        "weather, use tool weather_forecast(city) to get the weather forecast for a city.",
        llm_config=llm_config(),
        human_input_mode="NEVER",
    )
    user_proxy = UserProxyAgent(
        "user_proxy",
        is_termination_msg=says_terminate,
        human_input_mode="NEVER",
        max_consecutive_auto_reply=10,
    )
    register_function(
        weather_forecast, caller=agent, executor=user_proxy, description="The weather forecast for a city."
    )
    user_proxy.initiate_chat(agent, message=question)
