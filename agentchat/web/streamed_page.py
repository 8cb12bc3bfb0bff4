"""A page whose transcript is rendered while it is sent, so that a long one is never in memory as a whole.

The page is rendered with a mark in the place of the items: what is before it is sent, then each item, then the rest. So
it may be any page that shows `items`, whatever a site has put around them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.template import Context
from django.template.loader import render_to_string

from agentchat.presentation.items import Item
from agentchat.presentation.rendered_items import LaterItems, rendered_item
from agentchat.web.downloads import streamed


def streamed_page(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, items: Iterable[Item]
) -> StreamingHttpResponse:
    """The page of this template, in which `items` are those of the transcript."""
    later = LaterItems()
    page = render_to_string(template, {**context, "items": [later]}, request)
    return streamed(request, _parts(page, later, items), content_type="text/html")


def _parts(page: str, later: LaterItems, items: Iterable[Item]) -> Iterator[str]:
    before, mark, after = page.partition(later.mark)
    yield before
    if mark:  # a site's own page may show no transcript
        context = Context(later.context)
        yield from (rendered_item(context, item) for item in items)
    yield after
