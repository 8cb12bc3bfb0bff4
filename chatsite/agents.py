"""Two agent functions to try. They know nothing of Django or of pages: `manage.py chat weather` runs the same one.

`weather` uses a tool and is done with each question. `assistant` talks on: it asks the person for the next word after
each reply, and waits for it as long as they take.
"""

import sys
import zlib
from typing import Annotated, Any

from agentchat import ConversableAgent, IOStream, UserProxyAgent, llm_config, on_connect, register_function

SKIES = ("sunny", "cloudy", "rainy", "windy", "foggy", "snowy")


def weather_forecast(city: Annotated[str, "the city's name"]) -> str:
    """A made-up forecast, the same one for a city at all times."""
    number = zlib.crc32(city.strip().casefold().encode())
    sky, degrees = SKIES[number % len(SKIES)], number // len(SKIES) % 35 - 5
    return f"The pretend forecast for {city.strip()}: {sky}, {degrees} °C. No weather service was asked."


def says_terminate(message: dict[str, Any]) -> bool:
    return (message.get("content") or "").rstrip().endswith("TERMINATE")


@on_connect(
    "weather",
    title="Weather desk",
    description="Looks up a pretend forecast with a tool.",
    prompts=["What is the weather in Paris?", "Compare the weather in Oslo and Cairo."],
)
def weather(iostream: IOStream) -> None:
    message = iostream.input()
    agent = ConversableAgent(
        "chatbot",
        system_message="Complete the task you are given, and reply TERMINATE when it is done. If asked about the "
        "weather, use the tool weather_forecast(city), and say that its forecasts are made up.",
        llm_config=llm_config(),
    )
    user_proxy = UserProxyAgent(
        "user_proxy",
        human_input_mode="NEVER",
        is_termination_msg=says_terminate,
        max_consecutive_auto_reply=10,
    )
    register_function(
        weather_forecast,
        caller=agent,
        executor=user_proxy,
        description="The weather forecast for a city.",
        retry_safe=True,  # it changes nothing: after a crash it may be asked again
    )
    user_proxy.initiate_chat(agent, message=message)


class Person(UserProxyAgent):
    """The person at the page. The console's instructions ("Press enter to skip …") would only confuse them."""

    def get_human_input(self, prompt: str) -> str:
        return super().get_human_input("")


@on_connect(
    "assistant",
    title="Assistant",
    description="Talks about anything, and remembers what was said.",
    prompts=["What can you do?", "Show me a table and a piece of code."],
)
def assistant(iostream: IOStream) -> None:
    # Without names: a model need not know what people are called.
    said = [{"role": m["role"], "content": m["content"]} for m in iostream.history]
    message = iostream.input()
    agent = ConversableAgent(
        "assistant",
        system_message="You are a helpful assistant. Answer in Markdown.",
        llm_config=llm_config(),
        human_input_mode="NEVER",
        is_termination_msg=lambda message: False,  # a person may say "TERMINATE" and mean the film
        max_consecutive_auto_reply=sys.maxsize,
    )
    person = Person("person", is_termination_msg=lambda message: False)
    person.initiate_chat(agent, message=[*said, {"role": "user", "content": message}])
