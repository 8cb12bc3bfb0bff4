"""What an answer cost, in US dollars: by the entry's own `price`, else by the published prices of its service or model.

The prices come with the package `genai-prices` and are looked up without a network: those of the service at the entry's
address, else (a proxy, a gateway) those of the model's maker. An address of this machine or network may be free, so its
answers have no price; nor has a model that is not in the package. Their cost is unknown: nothing here guesses. Nothing
else imports the package, which takes 0.2 s: it is imported with the SDK, in a thread.
"""

import ipaddress
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from genai_prices import Usage, calc_price, extract_usage
from genai_prices.data_snapshot import get_snapshot

from agentchat.core.log import get_logger
from agentchat.llm.config_entries import ConfigEntry

logger = get_logger("agentchat.llm")

get_snapshot()  # at import, which happens in a thread


def cost_of(entry: ConfigEntry, model: str, usage: Mapping[str, Any]) -> float | None:
    """The cost of one answer of `model`, given its service's usage; None if it is unknown."""
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    if entry.api_type == "demo":
        return 0.0
    if entry.price is not None:
        return (prompt * entry.price[0] + completion * entry.price[1]) / 1000
    if entry.api_type not in ("openai", "azure"):
        return None
    try:
        cost = _published_cost(entry, model, usage)
    except Exception as error:  # the details of a usage may be anything, and an answer is worth more than its cost
        logger.warning("no price for an answer of %s, whose usage cannot be read: %r", entry, error)
        return None
    return cost if cost is not None and math.isfinite(cost) and cost >= 0 else None


def _published_cost(entry: ConfigEntry, model: str, usage: Mapping[str, Any]) -> float | None:
    for flavor in ("chat", "default"):  # the usage has one of these shapes
        try:
            used = extract_usage({"model": model, "usage": usage}, provider_api_url=entry.base_url, api_flavor=flavor)
            return float(used.calc_price().total_price)
        except (LookupError, ValueError) as error:
            logger.debug("no price for %s: %s", entry, error)
    return None if is_local(entry) else _cost_by_model(model, usage)


def has_price(entry: ConfigEntry) -> bool:
    """Whether answers of the entry's model have a cost."""
    return cost_of(entry, entry.model, {"prompt_tokens": 1, "completion_tokens": 1}) is not None


def _cost_by_model(model: str, usage: Mapping[str, Any]) -> float | None:
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else None
    used = Usage(
        input_tokens=usage["prompt_tokens"],
        output_tokens=usage["completion_tokens"],
        cache_read_tokens=cached if isinstance(cached, int) else None,
    )
    for name in dict.fromkeys((model, model.rpartition("/")[2])):  # "openai/gpt-4o", as gateways write it
        try:
            return float(calc_price(used, name).total_price)
        except (LookupError, ValueError) as error:
            logger.debug("no price for %s: %s", name, error)
    return None


def is_local(entry: ConfigEntry) -> bool:
    """Whether the entry's address is on this machine or in this network, as far as its name tells."""
    host = urlsplit(entry.base_url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan", ".localhost", ".invalid"))
