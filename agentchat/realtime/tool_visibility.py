"""What users who are not staff see of tool calls: `visible` of the tool, else `SHOW_TOOLS` of the site.

The same of questions that somebody else than the owner of the chat answers: they see that a colleague decides, how, and
why, but not about what, unless all of it is visible.

Events are stored whole, and each says how much of it may be shown, so that one alone can be blanked: on the wire here,
in pages, exports and shares by `presentation/visibility.py`.
"""

from collections.abc import Mapping
from typing import Any, cast, get_args

from agentchat import conf
from agentchat.core.file_events import FileSent
from agentchat.events import (
    InputAnswered,
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

_QUESTION = {"type", "seq", "at", "run", "request", "kind", "unsure", "expiresAt", "colleague", "visible"}
_ANSWER = {"type", "seq", "at", "run", "request", "by", "expired", "kind", "colleague", "visible"}
"""What is left of a question to a colleague, and of its answer."""


def visibility_of(payload: Payload) -> Visibility:
    """How much is shown of the call that this event belongs to."""
    return resolved(payload.get("visible"))


def resolved(visible: str | None) -> Visibility:
    """What a tool says, or else the site. A value that is not known, of a later version, shows nothing."""
    if visible is None:
        visible = conf.app.show_tools
    return cast(Visibility, visible) if visible in get_args(Visibility) else "none"


def is_hidden_file(type_: str, payload: Payload) -> bool:
    """Whether these are files of a tool that users do not see. What a site says of tools is not about their files."""
    return type_ == FileSent.type and payload.get("visible") not in (None, "all")


def hides_text(type_: str, payload: Payload) -> bool:
    """Whether the text of this event is not for users."""
    visibility = visibility_of(payload)
    if is_for_colleague(type_, payload):
        return visibility != "all"
    if _asks_again(type_, payload):
        return visibility == "none"
    return type_ in _BLANK and visibility != "all"


def without_hidden_tool(frame: dict[str, Any]) -> dict[str, Any]:
    """The frame for users who are not staff: its place in the order stays, what is not shown of a call does not."""
    if is_hidden_file(frame["type"], frame):
        return {key: frame[key] for key in ("type", "seq", "at", "run")}
    if is_for_colleague(frame["type"], frame):
        return frame if visibility_of(frame) == "all" else _without_question(frame)
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


def is_for_colleague(type_: str, payload: Payload) -> bool:
    """Whether it is a question to somebody else than the owner of the chat, or its answer."""
    return type_ in (InputRequested.type, InputAnswered.type) and bool(payload.get("colleague"))


def decision_in(kind: str | None, value: Any) -> dict[str, Any] | None:
    """What the owner sees of a colleague's answer, whatever it is about; None: nothing."""
    if kind != "approval" or not isinstance(value, Mapping):
        return None
    return {name: value[name] for name in ("decision", "reason") if name in value}


def _without_question(frame: dict[str, Any]) -> dict[str, Any]:
    if frame["type"] == InputAnswered.type:
        decision = decision_in(frame.get("kind"), frame.get("value"))
        return {key: frame[key] for key in frame if key in _ANSWER} | ({"value": decision} if decision else {})
    names = _QUESTION | ({"toolCallId"} if visibility_of(frame) == "name" else set())
    return {key: frame[key] for key in frame if key in names} | {"prompt": ""}


def _asks_again(type_: str, payload: Payload) -> bool:
    """Whether it is the question whether to make a call again, which names the call. Who approves a call sees it."""
    return type_ == InputRequested.type and bool(payload.get("unsure"))
