"""`{% load agentchat %}`: a chat in any page of the site, and what our own pages ask for.

The addresses of sockets, of signing in and out, the available languages, the user's appearance.
"""

from collections.abc import Hashable
from datetime import datetime
from typing import Any
from uuid import UUID

from django import template
from django.template.base import FilterExpression
from django.template.loader import get_template
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import formats
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext

from agentchat.budgets import rules
from agentchat.core import registry
from agentchat.errors import ConfigError
from agentchat.files.names import extension_of
from agentchat.i18n import language
from agentchat.markup.byte_cache import cached_up_to
from agentchat.presentation.chat_list import agent_title
from agentchat.presentation.file_cards import kind_of, uploads_of
from agentchat.presentation.items import Item
from agentchat.presentation.rendered_items import LaterItems, rendered_item
from agentchat.routing import socket_path
from agentchat.visitors import Visitor
from agentchat.web import accounts, appearance, scripts
from agentchat.websocket.inbox_feed import known_state

register = template.Library()


class Included(template.Node):
    def __init__(self, nodelist: template.NodeList) -> None:
        self.nodelist = nodelist

    def render(self, context: template.Context) -> SafeString:
        return self.nodelist.render(context)


@register.tag
def agentchat_include(parser: template.base.Parser, token: template.base.Token) -> Included:
    """The template of this name, as it would stand here: for icons and other small parts that a page has hundreds of.

    It is found when this template is read, and makes no context of its own each time that it is shown, as `include`
    does. It takes no variables.
    """
    _, name = token.split_contents()
    included: Any = get_template(name.strip("\"'"))
    return Included(included.template.nodelist)


MAX_PARTS_BYTES = 4 * 2**20


class Part(template.Node):
    def __init__(self, name: str, given: dict[str, FilterExpression]) -> None:
        self._given = given
        included: Any = get_template(name)
        self.nodelist: template.NodeList = included.template.nodelist

    def render(self, context: template.Context) -> SafeString:
        return _rendered_part(self, context, {name: given.resolve(context) for name, given in self._given.items()})


def _part_key(part: Part, context: template.Context, values: dict[str, Any]) -> Hashable:
    return part, get_language(), context.autoescape, *((name, type(value), value) for name, value in values.items())


@cached_up_to(MAX_PARTS_BYTES, _part_key)
def _rendered_part(part: Part, context: template.Context, values: dict[str, Any]) -> SafeString:
    return part.nodelist.render(context.new(values))


@register.tag
def agentchat_part(parser: template.base.Parser, token: template.base.Token) -> Part:
    """`{% agentchat_part "name.html" with a=… b=… %}`: the template with these variables, and no others.

    So it is the same for the same values, which must be hashable, and is rendered once for all pages of this process
    that have them: for the buttons of messages, and for entries of the list of chats. It must ask for nothing else,
    such as the request, the user or the time.
    """
    _, name, *given = token.split_contents()
    return Part(name.strip("\"'"), template.base.token_kwargs(given[1:], parser))


@register.filter(expects_localtime=True)
def agentchat_time(at: datetime | None) -> str:
    """The time of an event, with its day unless that is today; empty for what has no time yet."""
    if at is None:
        return ""
    is_today = at.date() == datetime.now(at.tzinfo).date()
    return formats.time_format(at, "TIME_FORMAT") if is_today else formats.date_format(at, "SHORT_DATETIME_FORMAT")


@register.simple_tag(takes_context=True)
def agentchat_item(context: template.Context, item: Item | LaterItems) -> SafeString:
    """An item of a transcript, by the template of its kind; a note instead of one that cannot be shown."""
    return rendered_item(context, item)


@register.inclusion_tag("agentchat/widget.html")
def agentchat_widget(agent: str, title: str = "", inline: bool = False) -> dict[str, Any]:
    """A chat with this agent function: behind a button in the corner of the page, or `inline` in the text.

    `title` is the text of the button and the title of the frame; the default is the agent's title. Raise ConfigError if
    no agent function has this name.
    """
    found = registry.find(agent)
    if found is None:
        known = ", ".join(sorted(registry.names())) or "none"
        raise ConfigError(f"{{% agentchat_widget {agent!r} %}}: no such agent function; there are: {known}")
    return {"url": reverse("agentchat:embed", args=[agent]), "title": title or found.title, "inline": inline}


@register.inclusion_tag("agentchat/_script.html")
def agentchat_script(name: str) -> dict[str, Any]:
    """A script of the app, like "agentchat/js/chat/main.js", with all that it imports."""
    return {"script": static(name), "modules": scripts.module_urls(name)}


@register.simple_tag
def agentchat_options_of(title: str) -> SafeString:
    """The name of the button that opens a chat's menu, of which a page has a hundred: `blocktranslate` takes longer."""
    return SafeString(gettext("Options for “<span data-title>%(title)s</span>”") % {"title": escape(title)})


@register.simple_tag
def agentchat_socket(chat_id: UUID | None = None, is_of_staff: bool = False) -> str:
    """Where the page opens the websocket of a chat, or of the list of chats; `is_of_staff`: for staff who look on."""
    return socket_path(chat_id, is_of_staff=bool(is_of_staff))


@register.simple_tag
def agentchat_title(agent: str) -> str:
    """The title of an agent function."""
    return agent_title(agent)


@register.simple_tag
def agentchat_inbox_count(visitor: Visitor) -> int | None:
    """How much waits in a user's inbox, as far as it is known without a query; None: a page need not link to it.

    The page's script shows more as soon as it is connected.
    """
    state = known_state(visitor)
    return (state.count if state else 0) or (0 if visitor.may_see_details else None)


@register.simple_tag
def agentchat_has_budgets() -> bool:
    """Whether there is a page to link to about what may be used, as far as it is known without a query."""
    return bool(rules.known_budgets())


@register.simple_tag
def agentchat_embed_url(agent: str) -> str:
    """The embedded page of an agent function. Empty for the name of a stored chat that no address can have."""
    try:
        return reverse("agentchat:embed", args=[agent])
    except NoReverseMatch:
        return ""


@register.simple_tag
def agentchat_login_url(next: str = "") -> str | None:
    return accounts.login_url(next=next)


@register.simple_tag
def agentchat_logout_url() -> str | None:
    return accounts.logout_url()


@register.simple_tag
def agentchat_password_change_url() -> str | None:
    return accounts.password_change_url()


@register.simple_tag
def agentchat_languages() -> list[language.Language]:
    """The languages to choose from; none, if there is only one."""
    return language.choices()


@register.simple_tag(takes_context=True)
def agentchat_appearance(context: template.Context) -> appearance.Appearance:
    """Light or dark, if the user has chosen. Without a request it is the device's."""
    return appearance.appearance_of(getattr(context, "request", None))


@register.simple_tag(takes_context=True)
def agentchat_folded(context: template.Context) -> bool:
    """Whether the user has collapsed the list of chats."""
    return appearance.is_sidebar_folded(getattr(context, "request", None))


@register.simple_tag
def agentchat_uploads(agent: registry.AgentFunction | None) -> dict[str, Any] | None:
    """Which files a page lets its users send to an agent; None if it takes none."""
    return uploads_of(agent)


@register.filter
def agentchat_file_kind(content_type: str) -> str:
    """How a page opens a file of this type; empty if it can only be saved."""
    return kind_of(content_type)


@register.filter
def agentchat_file_extension(name: str) -> str:
    """What a card says of a file's type: "PDF"."""
    return extension_of(name).removeprefix(".").upper()[:5]
