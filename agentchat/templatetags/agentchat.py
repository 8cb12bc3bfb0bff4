"""`{% load agentchat %}`: a chat in any page of the site, and the languages that the pages offer."""

from typing import Any

from django import template
from django.urls import reverse

from agentchat import languages, registry
from agentchat.errors import ConfigError

register = template.Library()


@register.inclusion_tag("agentchat/widget.html")
def agentchat_widget(agent: str, title: str = "", inline: bool = False) -> dict[str, Any]:
    """A chat with this agent function: a button in the corner of the page that unfolds it, or `inline` in the text.

    `title` is the button's text and the frame's name; the agent's own title, if it is left out. Raise ConfigError if no
    agent function has this name.
    """
    found = registry.find(agent)
    if found is None:
        known = ", ".join(sorted(registry.names())) or "none"
        raise ConfigError(f"{{% agentchat_widget {agent!r} %}}: there is no such agent function; there are: {known}")
    return {"url": reverse("agentchat:embed", args=[agent]), "title": title or found.title, "inline": inline}


@register.simple_tag
def agentchat_languages() -> list[languages.Language]:
    """The languages that a person may choose from; none, if there is no choice."""
    return languages.choices()
