"""`{% load agentchat %}`: a chat in any page of the site, the languages that the pages offer, and how they look."""

from typing import Any

from django import template
from django.urls import reverse

from agentchat import languages, looks, registry
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


@register.simple_tag(takes_context=True)
def agentchat_appearance(context: template.Context) -> looks.Appearance:
    """Light or dark, if the reader has chosen. A page without a request looks as the device has it."""
    return looks.appearance_of(getattr(context, "request", None))


@register.simple_tag(takes_context=True)
def agentchat_folded(context: template.Context) -> bool:
    """Whether the reader has folded the list of chats away."""
    return looks.is_sidebar_folded(getattr(context, "request", None))
