"""What users who are not staff see of tool calls: `visible` of the tool, else `SHOW_TOOLS` of the site.

Events are stored whole, and each says how much of it may be shown, so that one alone can be blanked: on the wire here,
in pages, exports and shares by `presentation/visibility.py`.
"""

from collections.abc import Mapping
from typing import Any, cast, get_args

from agentchat import conf
from agentchat.events import (
    InputRequested,
    ToolCallArgs,
    ToolCallEnd,
    ToolCallResult,
    ToolCallStart,
    Visibility,
)
from agentchat.i18n.system_messages import QUESTIONS

Payload = Mapping[str, Any]

HIDDEN_QUESTION = "outcome_unknown_hidden"

_BLANK: dict[str, dict[str, str]] = {
    ToolCallStart.type: {},
    ToolCallArgs.type: {"args": ""},
    ToolCallEnd.type: {},
    ToolCallResult.type: {"content": ""},
}
"""The events of a call, and what they have instead where only its name is shown."""


def visibility_of(payload: Payload) -> Visibility:
    """How much is shown of the call that this event belongs to."""
    return resolved(payload.get("visible"))


def resolved(visible: str | None) -> Visibility:
    """What a tool says, or else the site. A value that is not known, of a later version, shows nothing."""
    if visible is None:
        visible = conf.app.show_tools
    return cast(Visibility, visible) if visible in get_args(Visibility) else "none"


def hides_text(type_: str, payload: Payload) -> bool:
    """Whether the text of this event is not for users."""
    visibility = visibility_of(payload)
    if _asks_again(type_, payload):
        return visibility == "none"
    return type_ in _BLANK and visibility != "all"


def without_hidden_tool(frame: dict[str, Any]) -> dict[str, Any]:
    """The frame for users who are not staff: its place in the order stays, what is not shown of a call does not."""
    if frame["type"] not in _BLANK and not _asks_again(frame["type"], frame):
        return frame
    match visibility_of(frame):
        case "all":
            return frame
        case "none" if frame["type"] in _BLANK:
            return {key: frame[key] for key in ("type", "seq", "at", "run")}
        case "none":
            hidden = {key: value for key, value in frame.items() if key != "toolCallId"}
            return {**hidden, "prompt": QUESTIONS[HIDDEN_QUESTION], "code": HIDDEN_QUESTION, "params": {}}
        case "name":
            shown = {key: value for key, value in frame.items() if key != "cut"}
            return {**shown, **_BLANK.get(frame["type"], {}), "visible": "name"}


def _asks_again(type_: str, payload: Payload) -> bool:
    """Whether it is the question whether to make a call again, which names the call. Who approves a call sees it."""
    return type_ == InputRequested.type and bool(payload.get("unsure"))
