# replies: [["deposit", {"n": 5}], ["rate", {"base": {"currency": "EUR", "amount": 2}}], ["later", {}], "TERMINATE"]

from typing import Annotated, Literal, Optional

import autogen
from pydantic import BaseModel, Field

llm_config = {"config_list": autogen.config_list_from_json("OAI_CONFIG_LIST"), "cache_seed": None}


class Currency(BaseModel):
    currency: Annotated[Literal["USD", "EUR"], Field(..., description="Currency symbol")]
    amount: Annotated[float, Field(0, description="Amount", ge=0)]


class Bank:
    def __init__(self):
        self.balance = 0

    def deposit(self, n: int, note: Optional[str] = None) -> dict:  # noqa: UP045
        self.balance += n
        return {"balance": self.balance, "note": note}


bank = Bank()
bot = autogen.AssistantAgent("bot", llm_config=llm_config)
user = autogen.UserProxyAgent(
    "user",
    human_input_mode="NEVER",
    code_execution_config=False,
    is_termination_msg=lambda message: "TERMINATE" in (message.get("content") or ""),
)
autogen.register_function(bank.deposit, caller=bot, executor=user, name="deposit", description="Deposit.")


@user.register_for_execution()
@bot.register_for_llm(description="Convert.")
def rate(base: Annotated[Currency, "What to convert"], quote: Annotated[str, "Into"] = "USD") -> Currency:
    return Currency(currency=quote, amount=base.amount * 2)


@user.register_for_execution()
@bot.register_for_llm(description="Later.")
async def later() -> str:
    return "at last"


result = user.initiate_chat(bot, message="go")
results = [message["content"] for message in result.chat_history if message["role"] == "tool"]
assert results == ['{"balance":5,"note":null}', '{"currency":"USD","amount":4.0}', "at last"]
