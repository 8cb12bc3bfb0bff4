"""What an answer cost, in US dollars: by the entry's own `price`, else by the published prices of its service.

The prices come with the package `genai-prices` and are looked up without a network. A model or a service that is not
there has no price, and its cost is unknown: nothing here guesses. Nothing else imports the package. That takes 0.2 s;
it is imported with the SDK, in a thread.
"""

import logging
from collections.abc import Mapping
from typing import Any

from genai_prices import extract_usage
from genai_prices.data_snapshot import get_snapshot

from agentchat.llm.entries import Entry

logger = logging.getLogger("agentchat.llm")

get_snapshot()  # here and now, where nobody waits for it


def cost_of(entry: Entry, model: str, usage: Mapping[str, Any]) -> float | None:
    """The cost of one answer of `model`, whose service says that so much was used; None if nobody knows."""
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    if entry.api_type == "demo":
        return 0.0
    if entry.price is not None:
        return (prompt * entry.price[0] + completion * entry.price[1]) / 1000
    if entry.api_type not in ("openai", "azure"):
        return None
    for flavor in ("chat", "default"):  # one of these is what the service's usage is called
        try:
            used = extract_usage({"model": model, "usage": usage}, provider_api_url=entry.base_url, api_flavor=flavor)
            return float(used.calc_price().total_price)
        except (LookupError, ValueError) as error:
            logger.debug("no price for %s: %s", entry, error)
    return None
