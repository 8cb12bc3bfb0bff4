"""The events of AG-UI, as a program reads them: each is valid, and what begins ends."""

import json

import ag_ui.core as ag_ui
from pydantic import TypeAdapter

EVENTS = TypeAdapter(ag_ui.Event)


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def read(answer, until=None):
    """The events in a stream, each checked; up to the first that `until` finds."""
    found, id_ = [], None
    for line in answer.iter_lines():
        if line.startswith("id: "):
            id_ = line[4:]
        elif line.startswith("data: "):
            event = json.loads(line[6:])
            EVENTS.validate_python(event)
            found.append((id_, event))
            if until and until(event):
                break
    return found


def types(events):
    return [event["type"] for _, event in events]


def text(events):
    return "".join(event["delta"] for _, event in events if event["type"] == "TEXT_MESSAGE_CONTENT")


def check_order(events):
    """As the client's verifier wants it: one start, one end, and between them nothing is left open."""
    kinds = types(events)
    assert kinds[0] == "RUN_STARTED"
    assert kinds[-1] in ("RUN_FINISHED", "RUN_ERROR")
    opened = set()
    for _, event in events:
        kind, id_ = event["type"], event.get("messageId") or event.get("toolCallId") or event.get("stepName")
        if kind.endswith(("_START", "_STARTED")) and kind != "RUN_STARTED":
            name = kind.removesuffix("ED").removesuffix("_START")
            assert (name, id_) not in opened
            opened.add((name, id_))
        elif kind.endswith(("_END", "STEP_FINISHED")):
            opened.remove((kind.removesuffix("_END").removesuffix("_FINISHED"), id_))
        elif kind == "TEXT_MESSAGE_CONTENT":
            assert ("TEXT_MESSAGE", id_) in opened
            assert event["delta"]
    assert not opened
