"""Two models, each in a process of its own: a steady one for honest guests, and one that is hostile.

A hostile guest gets the next answer of the list for agents with tools, or of the one without.
"""

import itertools
import json
import os
import re
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

from agentchat.testing import ScriptedLLM, call, cut, fail, hang, raw, say
from agentchat.testing.script import Scripted
from benchmarks.soak import bombs
from benchmarks.soak.agents import TOOLS

ANSWER = "Here is **some** text with `code`, and a [link](https://example.org), as models write it. " * 2
PAUSE_SECONDS = 0.04  # between two words: a second for an answer

Answer = Callable[[dict[str, Any]], Scripted]


def serve_steady(to_parent: Connection) -> None:
    """Tell the parent the variables that lead to this model, and answer until it hangs up."""
    _serve(to_parent, _steady)


def serve_hostile(to_parent: Connection) -> None:
    """The same; like the hostile guests, nicer to others than the server is."""
    os.nice(10)
    texts, calls = itertools.cycle(_text_answers()), itertools.cycle(_tool_answers())
    _serve(to_parent, lambda request: next(calls if request.get("tools") else texts)())


def _serve(to_parent: Connection, answer: Answer) -> None:
    with ScriptedLLM() as llm:

        def answered(request: dict[str, Any]) -> Scripted:
            for recorded in (llm.requests, llm.headers, llm.paths):
                recorded.clear()  # no one looks at them, and there is no end of them
            return answer(request)

        llm.always(answered)
        to_parent.send(llm.environment())
        to_parent.poll(None)


def _steady(request: dict[str, Any]) -> Scripted:
    has_tools = bool(request.get("tools"))
    if has_tools and request["messages"][-1]["role"] != "tool":
        return call("weather_forecast", city="Paris")
    return say(ANSWER + ("TERMINATE" if has_tools else ""), delay=PAUSE_SECONDS)


# --- hostile answers ------------------------------------------------------------------------------------------------


def _text_answers() -> Iterator[Callable[[], Scripted]]:
    """Bombs, and between them what no service should send."""
    broken = itertools.cycle(_broken_answers())
    for index, text in enumerate(bombs.texts()):
        yield lambda text=text: say(text, chunks=_pieces(text, 400))
        if index % 2:
            yield next(broken)


def _broken_answers() -> Iterator[Callable[[], Scripted]]:
    yield lambda: say("", chunks=_pieces("A long answer, " * 35_400, 4_000))  # 530 KB
    yield lambda: say("", chunks=["x"] * 20_000)
    yield lambda: say(bombs.filled("word "), chunks=_pieces(bombs.filled("word "), 7))
    for choices in ("abc", [5], [{"delta": "x"}], [{"delta": {"content": 5}}], [{"delta": {"tool_calls": "x"}}]):
        yield lambda choices=choices: _sse({"choices": choices})
    for usage in ("x", [1], {"prompt_tokens": -5, "completion_tokens": 1e308}):
        yield lambda usage=usage: _sse({"choices": [{"index": 0, "delta": {"content": "a"}}], "usage": usage})
    yield lambda: raw(b"data: " + b"[" * 100_000 + b"\n\n")
    yield lambda: raw(b'data: {"choices":[' + b'{"a":' * 50_000 + b"\n\n")
    yield lambda: raw(b"data: \xff\xfe\x00\n\n", b"\x00" * 1_000, b"data: [DONE]\n\n")
    yield lambda: raw(*[b"x" * 64_000] * 64)  # 4 MB that are one line, with no end
    yield lambda: raw(*[b": still thinking\n\n"] * 20_000)
    yield lambda: cut("It breaks off ")
    yield lambda: fail(429, "later " * 10_000, headers={"retry-after": "86400"})
    yield lambda: fail(500, "<script>\x1b[2J\n2026-11-30 ERROR forged")
    yield hang


def _tool_answers() -> Iterator[Callable[[], Scripted]]:
    arguments = [
        *(bombs.deep(levels) for levels in (50, 400, 960, 20_000)),
        *(f'{{"to": "MALLORY", "amount": {number}}}' for number in ("NaN", "-Infinity", "1e999", "9" * 5_000)),
        '{"to": "\u202e54321ED\u202c", "amount": 1}',
        '{"to": "a", "to": "b", "amount": 1}',
        '\u00a0{"to": "a", "amount": 1}',
        json.dumps({"value": bombs.wide(3_000)}),
        json.dumps({"value": bombs.filled("<b>&")}),
        '{"value": "' + "x" * 2_000_000 + '"}',
        '{"size": 2000000}',
        "{}",
        " ",
    ]
    names = ["pay", "no_such_tool", *(tool.__name__ for tool in TOOLS)]
    for index, argument in enumerate(arguments):
        for tool in (names[index % len(names)], names[(index + 3) % len(names)]):
            yield lambda tool=tool, argument=argument: _call([(tool, argument)])
    yield lambda: _call([("note", "{}")] * 500)
    yield lambda: _call([("hang", "{}")] * 20)
    yield lambda: _call([("burst", '{"size": 2000000}')] * 3)
    yield lambda: call("pay", to=bombs.NAMED["references"], amount=1)


def _call(calls: list[tuple[str, str]]) -> Scripted:
    """Call tools, with the arguments as they are written."""
    deltas = [
        {"index": index, "id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for index, (name, arguments) in enumerate(calls)
    ]
    return _sse(*({"choices": [{"index": 0, "delta": {"tool_calls": [delta]}}]} for delta in deltas))


def _sse(*chunks: dict[str, Any]) -> Scripted:
    return raw(*(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n")


def _pieces(text: str, size: int) -> list[str]:
    return re.findall(f"(?s).{{1,{size}}}", text)
