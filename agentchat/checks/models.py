"""System checks of the models: of the config list that `llm_config()` gives, and of no other."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register

from agentchat import conf
from agentchat.core.secrets import mask
from agentchat.errors import ConfigError
from agentchat.llm.config import configured
from agentchat.llm.config_entries import ConfigEntry, entries_of, unknown_keys


@register(Tags.compatibility)
def check_models(**kwargs: Any) -> list[CheckMessage]:
    """W011: a config list that cannot be used. W012: keys that no one knows. W013: a limit on cost without a price."""
    try:
        written = configured()
        entries = entries_of({"config_list": written})
    except (ConfigError, OSError) as error:
        # Not an error: an image may be built, and its files collected, where no key is set.
        hint = "Set AGENTCHAT['LLM'] or OAI_CONFIG_LIST to a list of dicts, each with a 'model', or set OPENAI_API_KEY."
        return [Warning(mask(f"no model can be asked: {error}"), hint=hint, id="agentchat.W011")]
    return [*_unknown_keys(written), *_prices(entries)]


def _unknown_keys(written: list[dict[str, Any]]) -> Iterator[CheckMessage]:
    for entry in written:
        for key, meant in unknown_keys(entry).items():
            yield Warning(
                f"model {entry['model']!r} has the key {key!r}, which agentchat does not know: the service gets it so",
                hint=f"Did you mean {meant!r}? " * bool(meant) + "What only the service knows belongs in 'extra_body'.",
                id="agentchat.W012",
            )


def _prices(entries: list[ConfigEntry]) -> Iterator[CheckMessage]:
    try:
        limit, fallback = conf.app.max_run_cost, conf.app.fallback_price
    except ConfigError:
        return  # E001 reports it
    if limit is None:
        return
    has_price = import_module("agentchat.llm.pricing").has_price  # late: it takes a while, and few need it
    for entry in entries:
        if not has_price(entry):
            yield Warning(
                f"MAX_RUN_COST is set, but {entry} has no price: its tokens count at FALLBACK_PRICE, {list(fallback)}",
                hint="Give its entry a 'price': US dollars for 1,000 [prompt, completion] tokens; 0 if it is free.",
                id="agentchat.W013",
            )
