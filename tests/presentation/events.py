"""Events, as frames of a transcript."""

from agentchat.presentation import transcript
from tests.presentation.live_page import assert_live_is_what_a_reload_shows

AT = "2026-11-22T12:00:00.000+00:00"


def numbered(facts):
    return [{"type": type_, "seq": seq, "at": AT, "run": 1, **payload} for seq, (type_, payload) in enumerate(facts, 1)]


def read(*facts):
    """The transcript of these events; a page that receives them one by one shows the same."""
    frames = numbered(facts)
    assert_live_is_what_a_reload_shows(frames)
    return transcript.of_frames(frames)


def start(id="m1", role="assistant", name="chatbot"):
    return "TEXT_MESSAGE_START", {"messageId": id, "role": role, "name": name}


def end(content, id="m1", **more):
    return "TEXT_MESSAGE_END", {"messageId": id, "content": content, **more}


def called(id="c1", tool="forecast"):
    return "TOOL_CALL_START", {"toolCallId": id, "toolCallName": tool, "name": "chatbot"}


def args(args, id="c1"):
    return "TOOL_CALL_ARGS", {"toolCallId": id, "args": args}


def call_complete(id="c1"):
    return "TOOL_CALL_END", {"toolCallId": id}


def result(content, id="c1", ok=True):
    return "TOOL_CALL_RESULT", {"toolCallId": id, "messageId": "t1", "content": content, "ok": ok, "durationMs": 1234}


def printed(text):
    return "PRINTED", {"text": text}


def asked(request="r1", prompt="And then?", **more):
    return "INPUT_REQUESTED", {"request": request, "kind": "text", "prompt": prompt, **more}


def answered(request="r1", value="go on", **more):
    return "INPUT_ANSWERED", {"request": request, "value": value, "by": "ada", **more}


def approval(request="r1", id="c1", **more):
    return asked(request, "", kind="approval", toolCallId=id, schema=REFUND, **more)


def nested(name="writer"):
    return "STEP_STARTED", {"stepName": f"nested chats of {name}", "name": name}


def nested_end(name="writer"):
    return "STEP_FINISHED", {"stepName": f"nested chats of {name}", "name": name}


APPROVE = {"decision": "approve"}
REFUND = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "amount": {"type": "number", "title": "Euros"}},
    "required": ["order_id"],
}
ARGUMENTS = '{"order_id": "A7", "amount": 12}'
ASKED_ABOUT = called(tool="refund"), ("TOOL_CALL_ARGS", {"toolCallId": "c1", "args": ARGUMENTS})


STARTED = "RUN_STARTED", {}
FINISHED = "RUN_FINISHED", {"outcome": {"type": "success"}}
CANCELLED = "RUN_FINISHED", {"outcome": {"type": "cancelled"}}
FAILED = "RUN_ERROR", {"code": "llm_auth", "message": "The model refused our key.", "id": "e7c1a2"}


def kinds(read):
    return [item.kind for item in read.items]


def at(seconds, event):
    type_, payload = event
    return type_, {**payload, "at": f"2026-11-22T12:00:{seconds:02}.000+00:00"}
