"""What a thread has come to, as AG-UI's snapshots: its messages, and what the agent keeps in `iostream.state`.

Synchronous, in a thread for reading.
"""

from typing import Any
from uuid import UUID

from agentchat.core.state import State
from agentchat.markup.markdown import without_end_signal
from agentchat.models import ChatSession
from agentchat.realtime.frames import Frame, frames_before, visible_frame
from agentchat.runs.branching.inheritance import InheritedJournal
from agentchat.runs.branching.tree import Tree
from agentchat.runs.state import changes_of, state_before
from agentchat.visitors import Visitor

MAX_FRAMES = 1_000


def messages_of(session_id: UUID, visitor: Visitor) -> list[dict[str, Any]] | None:
    """The messages of the branch that is shown; None if there are too many, or one is too large, to send them all."""
    session = ChatSession.objects.get(pk=session_id)
    shown = Tree.of(session_id).condition(session.head_id)
    found = frames_before(session_id, shown=shown, limit=MAX_FRAMES)
    if len(found) == MAX_FRAMES or any(frame.get("cut") for frame in found):
        return None
    may_see = {"shows_usage": visitor.may_see_usage, "shows_details": visitor.may_see_details}
    messages = _Messages()
    for frame in found:
        messages.add(visible_frame(frame, **may_see))
    return messages.all


class _Messages:
    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []
        self._starts: dict[str, Frame] = {}
        self._calls: dict[str, dict[str, Any]] = {}
        self._depth = 0

    def add(self, frame: Frame) -> None:
        match frame["type"]:
            case "STEP_STARTED":
                self._depth += 1
            case "STEP_FINISHED":
                self._depth -= 1
            case "TEXT_MESSAGE_START":
                self._starts[frame["messageId"]] = frame
            case "TEXT_MESSAGE_END" if self._depth <= 0:
                self._text(frame)
            case "PRINTED" if self._depth <= 0 and frame["text"].strip():
                text = frame["text"].rstrip("\n")
                self.all.append({"id": f"printed-{frame['seq']}", "role": "assistant", "content": text})
            case "TOOL_CALL_START" if self._depth <= 0 and "toolCallId" in frame:
                self._call(frame)
            case "TOOL_CALL_ARGS" if frame.get("toolCallId") in self._calls:
                self._calls[frame["toolCallId"]]["function"]["arguments"] += frame["args"]
            case "TOOL_CALL_RESULT" if (call := self._calls.get(frame.get("toolCallId", ""))) is not None:
                own = {"id": f"{call['id']}-result", "toolCallId": call["id"]}
                self.all.append({"role": "tool", "content": frame["content"], **own})

    def _text(self, frame: Frame) -> None:
        start = self._starts.pop(frame["messageId"], None)
        content = without_end_signal(frame["content"])
        if start is None or not content.strip():
            return
        role = "user" if start["role"] == "user" else "assistant"
        own = {} if role == "user" else {"name": start["name"]}
        self.all.append({"id": frame["messageId"], "role": role, "content": content, **own})

    def _call(self, frame: Frame) -> None:
        id_ = frame["toolCallId"]
        unique = f"{id_}-{frame['seq']}" if id_ in self._calls else id_
        function = {"name": frame["toolCallName"], "arguments": ""}
        call = self._calls[id_] = {"id": unique, "type": "function", "function": function}
        last = self.all[-1] if self.all else None
        if last is not None and last["role"] == "assistant" and "toolCalls" in last:
            last["toolCalls"].append(call)
        else:
            self.all.append({"id": f"calls-{frame['seq']}", "role": "assistant", "toolCalls": [call]})


def state_of(session_id: UUID) -> dict[str, Any]:
    """`iostream.state` as the last run has left it, or has it at its last step."""
    run = ChatSession.objects.select_related("head").get(pk=session_id).head
    if run is None:
        return {}
    if run.state is not None:
        found: dict[str, Any] = run.state
        return found
    state = State(state_before(session_id, run.pk))
    for change in changes_of(InheritedJournal(Tree.of(session_id), run.pk).steps.values()):
        state.apply(change)
    return state.value
