"""Two agents and their tools, as the classic documentation has them."""

from typing import Annotated, Literal

import autogen

config_list = autogen.config_list_from_json("OAI_CONFIG_LIST", filter_dict={"tags": ["chat"]})

chatbot = autogen.AssistantAgent(
    name="chatbot",
    system_message="For currency exchange tasks, only use the functions you have been provided with. Reply TERMINATE "
    "when the task is done.",
    llm_config={"config_list": config_list, "timeout": 120, "cache_seed": None},
)
user_proxy = autogen.UserProxyAgent(
    name="user_proxy",
    is_termination_msg=lambda x: x.get("content", "") and x.get("content", "").rstrip().endswith("TERMINATE"),
    human_input_mode="NEVER",
    max_consecutive_auto_reply=10,
    code_execution_config=False,
)

CurrencySymbol = Literal["USD", "EUR"]


@user_proxy.register_for_execution()
@chatbot.register_for_llm(description="Currency exchange calculator.")
def currency_calculator(
    base_amount: Annotated[float, "Amount of currency in base_currency"],
    base_currency: Annotated[CurrencySymbol, "Base currency"] = "USD",
    quote_currency: Annotated[CurrencySymbol, "Quote currency"] = "EUR",
) -> str:
    rate = 1.0 if base_currency == quote_currency else 1.1 if base_currency == "EUR" else 1 / 1.1
    return f"{rate * base_amount:.2f} {quote_currency}"


def weather(city: str) -> str:
    return f"sunny in {city}"


autogen.register_function(weather, caller=chatbot, executor=user_proxy, name="weather", description="The weather.")

result = user_proxy.initiate_chat(chatbot, message="How much is 110 EUR in USD, and how is Paris?")

print("RESULT", [message["content"] for message in result.chat_history], repr(result.summary))
print("RESULT", sorted(user_proxy.function_map), chatbot.can_execute_function("weather"))
