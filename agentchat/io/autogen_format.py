"""An event as AutoGen 0.2 would print it.

One event becomes one piece of text, newlines included, so a stream prints it with `end=""`. The events of a chat read
like AutoGen's console output, but a streamed answer appears once (there: twice) and without colours, and each tool
result has one header (there the first has two).
"""

from functools import singledispatch

from agentchat import events
from agentchat.core.file_events import FileSent

_RULE = "\n" + "-" * 80 + "\n"


@singledispatch
def text_of(event: events.ChatEvent) -> str:
    """The text of an event, or "" if a text console does not show it."""
    return ""


@text_of.register
def _(event: events.TextMessage) -> str:
    content = f"{event.content}\n" if event.content or event.last else ""
    return _header(event.name, event.to) + content + (_RULE if event.last else "")


@text_of.register
def _(event: events.TextMessageStart) -> str:
    return _header(event.name, event.to)


@text_of.register
def _(event: events.TextMessageContent) -> str:
    return event.delta


@text_of.register
def _(event: events.TextMessageEnd) -> str:
    # The content itself was emitted as deltas.
    cut = f"\n>>>>>>>> THE ANSWER WAS CUT OFF ({event.finish_reason})...\n" if event.finish_reason else ""
    return ("\n" if event.content or event.last else "") + cut + (_RULE if event.last else "")


@text_of.register
def _(event: events.Sources) -> str:
    lines = (": ".join(filter(None, [each.get("title"), each.get("url")])) for each in event.sources)
    return "Sources:\n" + "".join(f"[{number}] {line}\n" for number, line in enumerate(lines, start=1))


@text_of.register
def _(event: FileSent) -> str:
    return "".join(
        f">>>>>>>> FILE {each['name']} ({each['contentType']}, {each['size']} bytes)\n" for each in event.files
    )


@text_of.register
def _(event: events.ToolCallStart) -> str:
    return _suggestion(event.tool_call_id, event.tool_call_name) + "\n"


@text_of.register
def _(event: events.ToolCallArgs) -> str:
    return f"Arguments: \n{event.args}\n"


@text_of.register
def _(event: events.ToolCallEnd) -> str:
    stars = "*" * len(_suggestion(event.tool_call_id, event.tool_call_name))
    return f"{stars}\n" + (_RULE if event.last else "")


@text_of.register
def _(event: events.ToolCallResult) -> str:
    title = f"***** Response from calling tool ({event.tool_call_id}) *****"
    return f"{_header(event.name, event.to)}{title}\n{event.content}\n{'*' * len(title)}\n{_RULE}"


@text_of.register
def _(event: events.Printed) -> str:
    return event.text


@text_of.register
def _(event: events.Notice) -> str:
    return f"\n{event.text}\n" if event.text else "\n"


@text_of.register
def _(event: events.ChatStalled) -> str:
    return f"\n>>>>>>>> {event.text}\n"


def _header(name: str, to: str) -> str:
    return f"{name} (to {to}):\n\n" if to else f"{name}:\n\n"


def _suggestion(call_id: str, name: str) -> str:
    return f"***** Suggested tool call ({call_id}): {name} *****"
