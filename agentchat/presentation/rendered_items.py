"""The items of a transcript as HTML: each by the template of its kind, in the context of the page.

Whatever is stored, a page is shown: where an item cannot be, a note takes its place, and the log says why.
"""

import uuid
from typing import Any, ClassVar

from django.db import Error
from django.template import Context
from django.template.loader import get_template
from django.utils.safestring import SafeString

from agentchat.core.stored_events import log_failure
from agentchat.presentation.items import Item
from agentchat.presentation.requests import InputRequest
from agentchat.presentation.visibility import item_for_users

UNREADABLE = "agentchat/_unreadable.html"


class LaterItems:
    """Stands in a page for the items that are rendered while it is sent (`web/streamed_page.py`)."""

    kind: ClassVar[str] = "later"

    def __init__(self) -> None:
        self.mark = SafeString(f"<!-- {uuid.uuid4()} -->")
        self.context: Any = None  # of the place where they belong

    def rendered(self, context: Context) -> SafeString:
        self.context = context.flatten()
        return self.mark


def rendered_item(context: Context, item: Item | LaterItems) -> SafeString:
    """The item's HTML; empty if it is not for this viewer. What the template needs of the page is in the context."""
    if isinstance(item, LaterItems):
        return item.rendered(context)
    seen = item if context.get("shows_details") else item_for_users(item)
    return _rendered_item(context, seen) if seen is not None else SafeString()


def _rendered_item(context: Context, item: Item) -> SafeString:
    try:
        with context.push(item=item):
            return _rendered(_template_of(item), context)
    except Error:  # the database's: that is no fault of the item
        raise
    except Exception as error:  # what is stored may be anything
        log_failure(f"item {item.key} ({item.at})", error)
        with context.push(item=item):
            return _rendered(UNREADABLE, context)


def _template_of(item: Item) -> str:
    is_card = isinstance(item, InputRequest) and (item.asks != "text" or item.colleague)
    return f"agentchat/_{'card' if is_card else item.kind}.html"


def _rendered(name: str, context: Context) -> SafeString:
    backend: Any = get_template(name)  # the engine's own cache has it
    rendered: SafeString = backend.template.render(context)
    return rendered
