"""The demo model's answers: scripted, without AI, as they say themselves.

It calls the tools that it is asked for (`tool_choice`), reports their results, chats in Markdown, and plays its part
in a group chat (`team`). It knows the conversation only as a model does, from the messages of the request. It answers
in English, and understands weather questions in German and Arabic too.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentchat.llm.demo.arguments import arguments_for
from agentchat.llm.demo.condensed import condensed
from agentchat.llm.demo.team import choice_of, turn_of
from agentchat.llm.demo.tool_choice import calls_for

Message = Mapping[str, Any]

_NAME = re.compile(r"\bmy name is\s+([^\W\d_][\w'\u2019-]*)", re.I)
_ASKS_FOR_NAME = re.compile(r"\b(what(?:'s| is) my name|who am i|my name\?)", re.I)
_LONG = re.compile(r"\b(?:long|detailed)\s+(?:answer|story|text|reply|essay)\b", re.I)
_POEM = re.compile(r"\bpoems?\b", re.I)
# What `file_parts` writes of a file for a model that takes none.
_FILE = re.compile(
    r"\[(?:File|The text of file) ([^\n]{1,200}?) \(\w+/[^\s()]+, [^()\n]+\)[^\n]*\]"
    r"(?:\n(?:.*?\n)??\[The end of file \1\])?",
    re.DOTALL,
)
_HONEST = "_I am the demo model: scripted, no AI. Set `OPENAI_API_KEY` and a real model answers here._"
_PARAGRAPHS = 125


@dataclass(frozen=True, kw_only=True)
class ScriptedCall:
    id: str
    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ScriptedAnswer:
    text: str = ""
    calls: tuple[ScriptedCall, ...] = ()


def pieces_of(text: str) -> list[str]:
    """The text in pieces about as long as a model's tokens."""
    return re.findall(r"\s*\S{1,6}|\s+", text)


def answer_to(
    messages: Sequence[Message], tools: Sequence[Mapping[str, Any]], *, wants_result: bool = False
) -> ScriptedAnswer:
    """The next message of the conversation. `wants_result`: the last tool is called if no other is meant."""
    sent = [text_of(message) for message in messages if message.get("role") == "user"]
    user_texts = [_FILE.sub("", text).strip() for text in sent]
    system = "\n".join(text_of(message) for message in messages if message.get("role") in ("system", "developer"))
    task = _shortened(user_texts[0].rstrip(" .!")) if user_texts else ""
    if short := condensed(messages):
        return ScriptedAnswer(text=short)
    if team_text := choice_of(messages) or turn_of(system, messages, task):
        return ScriptedAnswer(text=team_text)
    results = _results_at_the_end(messages)
    if not results and user_texts and (calls := _calls(user_texts, tools, messages)):
        return ScriptedAnswer(calls=calls)
    if wants_result and (functions := _functions(tools)):
        arguments = arguments_for(functions[-1], user_texts[-1] if user_texts else "")
        return ScriptedAnswer(
            calls=(ScriptedCall(id="call_demo_last", name=functions[-1]["name"], arguments=arguments),)
        )
    if results:
        text = _report(results, user_texts[-1] if user_texts else "")
    else:
        text = _small_talk(user_texts, tools, [match[1] for match in _FILE.finditer(sent[-1] if sent else "")])
    if "TERMINATE" in system:
        text += "\n\nTERMINATE"
    return ScriptedAnswer(text=text)


def text_of(message: Message) -> str:
    """A message's text; its content may also be None or a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return str(content or "")


# --- tools ------------------------------------------------------------------------------------------------------------


def _calls(
    user_texts: Sequence[str], tools: Sequence[Mapping[str, Any]], messages: Sequence[Message]
) -> tuple[ScriptedCall, ...]:
    previous = sum(len(message.get("tool_calls") or ()) for message in messages)
    wanted = calls_for(user_texts, _functions(tools), called_before=previous > 0)
    return tuple(
        ScriptedCall(id=f"call_demo_{previous + n}", name=name, arguments=arguments)
        for n, (name, arguments) in enumerate(wanted, start=1)
    )


def _functions(tools: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [tool["function"] for tool in tools if isinstance(tool.get("function"), Mapping)]


@dataclass(frozen=True, kw_only=True)
class _ToolResult:
    tool: str
    arguments: Mapping[str, Any]
    content: str


def _results_at_the_end(messages: Sequence[Message]) -> list[_ToolResult]:
    """The tool results at the end of the conversation, with their calls."""
    calls = {call.get("id"): call.get("function") or {} for m in messages for call in m.get("tool_calls") or ()}
    results: list[_ToolResult] = []
    for message in reversed(messages):
        if message.get("role") != "tool":
            break
        function = calls.get(message.get("tool_call_id"), {})
        arguments = _json(function.get("arguments"))
        results.insert(
            0,
            _ToolResult(
                tool=function.get("name") or "tool",
                arguments=arguments if isinstance(arguments, Mapping) else {},
                content=text_of(message),
            ),
        )
    return results


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return text


# --- texts ------------------------------------------------------------------------------------------------------------


def _report(results: Iterable[_ToolResult], request: str) -> str:
    parts = [_about(result) for result in results]
    if _POEM.search(request):
        parts.append(_poem(next((_subject(result) for result in results if _subject(result)), "")))
    return "\n\n".join(parts)


def _subject(result: _ToolResult) -> str:
    """The subject of the call: its first text argument, such as a city."""
    return next((value for value in result.arguments.values() if isinstance(value, str)), "")


def _about(result: _ToolResult) -> str:
    subject = _subject(result)
    if result.content.startswith("Error"):
        return f"I called `{result.tool}`, and it did not work:\n\n> {_one_line(result.content)}"
    heading = f"I called `{result.tool}`"
    if re.search("weather|forecast", result.tool, re.I):
        heading = "Here is the weather"
    heading += f" for **{subject}**:" if subject else ":"
    value = _json(result.content)
    if isinstance(value, Mapping) and value:
        rows = "\n".join(f"| {_cell(key)} | {_cell(item)} |" for key, item in value.items())
        return f"{heading}\n\n| reading | value |\n|---|---|\n{rows}"
    return f"{heading}\n\n> {_one_line(value if isinstance(value, str) else result.content)}"


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _one_line(text).replace("|", "\\|").replace("_", " ")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _poem(place: str) -> str:
    return (
        f"And the poem:\n\n> *The morning counts the roofs of {place or 'the town'},*  \n"
        "> *a cloud goes by and asks for nothing more;*  \n"
        "> *whatever falls, or shines, or settles down,*  \n"
        "> *the kettle sings, the coat hangs by the door.*"
    )


def _small_talk(user_texts: Sequence[str], tools: Sequence[Mapping[str, Any]], files: Sequence[str]) -> str:
    text = user_texts[-1] if user_texts else ""
    if _LONG.search(text):
        return _long_answer()
    if _POEM.search(text):
        return f"{_poem('')}\n\n{_HONEST}"
    names = [match[1] for earlier in user_texts for match in _NAME.finditer(earlier)]
    name = names[-1] if names else ""
    greeting = f"Hello {name}!" if name else "Hello!"
    if _ASKS_FOR_NAME.search(text):
        greeting = f"Your name is **{name}**: you told me." if name else "You have not told me your name yet."
    lines = [f"This is message {max(1, len(user_texts))} of yours that I see."]
    if len(user_texts) > 1 and user_texts[-2].strip():
        lines.append(f"Before it you wrote: “{_shortened(user_texts[-2])}”.")
    if files:
        lines.append(f"With it came {', '.join(files)}, which I cannot read.")
    lines.append("Ask me for the weather in Paris, for a poem or for a long answer.")
    if names_of_tools := [f"`{function.get('name')}`" for function in _functions(tools)]:
        lines.append(f"I have tools: {', '.join(names_of_tools)}. Write the name of one, and I call it.")
    listed = "\n".join(f"- {line}" for line in lines)
    return f"{greeting} {_HONEST}\n\n{listed}\n\n{_table(text)}\n\n{_CODE}"


def _shortened(text: str) -> str:
    words = _one_line(text)
    return words if len(words) <= 80 else f"{words[:79]}…"


def _table(text: str) -> str:
    words = text.split()
    longest = max(words, key=len, default="-")
    return (
        "| your message | counted |\n|---|---|\n"
        f"| words | {len(words)} |\n| characters | {len(text)} |\n| longest word | {_cell(longest[:40])} |"
    )


_CODE = """An agent function is plain Python:

```python
from agentchat import AssistantAgent, llm_config, on_connect

@on_connect("hello")
def hello(iostream):
    message = iostream.input()
    AssistantAgent("helper", llm_config=llm_config())
    iostream.print(f"You said: {message}")
```"""

_SENTENCES = (
    "The stream is open, and every token takes the same way through the page",
    "Reload now, and the text goes on where it was",
    "A second tab shows the same words at the same time",
    "Press stop, and what is written so far stays",
    "Nothing here was thought of: it was written down beforehand",
)


def _long_answer() -> str:
    paragraphs = (f"**{n}.** {_SENTENCES[n % len(_SENTENCES)]}." for n in range(1, _PARAGRAPHS + 1))
    return "\n\n".join(["## A long answer", _HONEST, *paragraphs, "That was all of it."])
