"""The pieces of a stream, to be sent as they are by a scripted LLM (`raw`)."""

import json

DONE = b"data: [DONE]\n\n"


def event(value, *, prefix="data: ", end="\n\n"):
    return f"{prefix}{json.dumps(value)}{end}".encode()


def chunk(delta, finish=None, **more):
    return event({"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})


def calls(*parts, finish=None):
    return chunk({"tool_calls": list(parts)}, finish)


def part(name=None, arguments=None, **more):
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {"type": "function", "function": function, **more}


HI = [chunk({"content": "Hel"}), chunk({"content": "lo"}, "stop"), DONE]
