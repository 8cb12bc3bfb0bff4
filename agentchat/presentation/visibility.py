"""The items of a transcript as users who are not staff see them: without what is not shown of tool calls and of what
colleagues are asked.

Here, and not in templates, which a site may replace. `realtime/tool_visibility.py` has the rules, and the same for
frames.
"""

from collections.abc import Iterable
from dataclasses import replace

from django.utils.translation import gettext

from agentchat.i18n.system_messages import QUESTIONS
from agentchat.presentation.file_items import SentFiles
from agentchat.presentation.items import Item, NestedChats, ToolCall
from agentchat.presentation.requests import InputRequest
from agentchat.realtime.tool_visibility import HIDDEN_QUESTION, decision_in, resolved


def items_for_users(items: Iterable[Item]) -> list[Item]:
    """Those of the items that users see, as they see them."""
    return [seen for item in items if (seen := item_for_users(item)) is not None]


def item_for_users(item: Item) -> Item | None:
    """The item as users see it; None: not at all. It is a copy if something is left out."""
    match item:
        case NestedChats():
            return replace(item, items=items_for_users(item.items))
        case ToolCall():
            return _call(item)
        case SentFiles(visible=visible) if visible not in (None, "all"):
            return None
        case InputRequest(colleague=True):
            return item if resolved(item.visible) == "all" else _of_colleague(item)
        case InputRequest(asks="unsure", call=ToolCall() as call):
            if resolved(call.visible) == "none":
                return replace(item, call=None, prompt=gettext(QUESTIONS[HIDDEN_QUESTION]))
            return replace(item, call=_call(call))
    return item


def _of_colleague(request: InputRequest) -> InputRequest:
    kind = "approval" if request.asks in ("approval", "unsure") else None
    return replace(
        request,
        prompt="",
        schema=None,
        initial=None,
        call=None if request.call is None else _call(replace(request.call, visible=request.visible)),
        state="approved" if request.state == "changed" else request.state,
        value=decision_in(kind, request.value),
    )


def _call(call: ToolCall) -> ToolCall | None:
    match resolved(call.visible):
        case "all":
            return call
        case "name":
            return replace(
                call, args="", result="", approved=None, whole_args=None, whole_result=None, is_name_only=True
            )
        case "none":
            return None
