"""The demo model's answers in a group chat: as planner, writer or critic, and as the model that selects a speaker.

The three write a text in two drafts, and the critic ends the chat. The agent that is addressed speaks next.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]

_ROLE = re.compile(r"\byou are the (planner|writer|critic)\b", re.I)
_CHOICE = re.compile(r"\bnext\b[^\[\n]{0,200}\[('[^\]]{1,5000}')\]")

_PLAN = """The task is “{task}”. Three short paragraphs will do:

1. the one thing that the reader must know,
2. an example that they can picture,
3. what happens next.

**writer**, the first draft is yours."""

_DRAFTS = (
    """**First draft**

> You asked for “{task}”, and here is the one thing to know: it is easier than it looks.
>
> Picture a Monday morning: the coffee is warm, the list is short, and somebody has written the first line already.

**critic**, what is missing?""",
    """**Second draft**

> You asked for “{task}”, and here is the one thing to know: it is easier than it looks.
>
> Picture a Monday morning: the coffee is warm, the list is short, and somebody has written the first line already.
>
> Add the second line, and send it to one person whom you trust.

**critic**, is it better so?""",
)

_REVIEWS = (
    """- The beginning says what it is about.
- The example is one that I can see.
- The end is missing: what happens next?

**writer**, please add it.""",
    """It has a beginning, an example and an end now. I have nothing to add: take the second draft.

_All three of us are the demo model: scripted, no AI. Set `OPENAI_API_KEY` and a real model answers here._""",
)


def choice_of(messages: Sequence[Message]) -> str | None:
    """The name of the next speaker, if the last message asks for one."""
    choice = _CHOICE.search(str(messages[-1].get("content") or "")) if messages else None
    if choice is None:
        return None
    names = [name.strip(" '") for name in choice[1].split(",")]
    named = [message for message in messages[:-1] if message.get("name")]
    last = named[-1] if named else {}
    addressed = re.findall(rf"\b(?:{'|'.join(map(re.escape, names))})\b", str(last.get("content") or ""))
    if addressed:
        return str(addressed[-1])
    index = names.index(last["name"]) if last.get("name") in names else -1
    return names[(index + 1) % len(names)]


def turn_of(system: str, messages: Sequence[Message], task: str) -> str | None:
    """The answer of a member of the team, if the system message makes it one."""
    role = _ROLE.search(system)
    if role is None:
        return None
    turn = min(sum(message.get("role") == "assistant" for message in messages), 1)
    match role[1].lower():
        case "planner":
            return _PLAN.format(task=task)
        case "writer":
            return _DRAFTS[turn].format(task=task)
        case _:
            done = "\n\nTERMINATE" if turn and "TERMINATE" in system else ""
            return _REVIEWS[turn] + done
