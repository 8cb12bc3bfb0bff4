"""System checks of limits and budgets: names that mean nobody."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from agentchat import conf
from agentchat.core import registry
from agentchat.errors import ConfigError


@register(Tags.compatibility)
def check_budgets(**kwargs: Any) -> list[CheckMessage]:
    """W025: a budget of an agent function that does not exist. E019: a limit that nobody could extend."""
    try:
        return [*_agents(), *_limits()]
    except ConfigError:
        return []  # E001 reports it


def _agents() -> Iterator[CheckMessage]:
    for rule in conf.app.budgets:
        if rule.of == "agent" and rule.name and registry.find(rule.name) is None:
            yield Warning(
                f"AGENTCHAT['BUDGETS'] limits the agent function {rule.name!r}, which does not exist",
                hint=f"Those that are registered: {', '.join(registry.names()) or 'none'}.",
                id="agentchat.W025",
            )


def _limits() -> Iterator[CheckMessage]:
    asked = conf.app.limits_ask or ""
    if "." in asked and asked.partition(".")[0] not in apps.app_configs:
        yield Error(
            f"AGENTCHAT['LIMITS_ASK'] is {asked!r}, but there is no app {asked.partition('.')[0]!r}: nobody has this "
            f"permission, so a run that reaches a limit would wait for ever",
            hint="Name a permission of an installed app, such as 'agentchat.raise_limits', or 'staff'.",
            id="agentchat.E019",
        )
