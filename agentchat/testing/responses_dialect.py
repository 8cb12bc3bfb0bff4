"""A scripted answer in the dialect of OpenAI's Responses API: its events, in as many chunks as in the other one."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ENCRYPTED = "encrypted-reasoning"


def events(
    request: Mapping[str, Any],
    *,
    thoughts: str,
    text: Sequence[str],
    sources: Sequence[Mapping[str, str]],
    calls: Sequence[tuple[str, Mapping[str, Any]]],
) -> Iterator[bytes]:
    """The chunks of an answer without its end: one for the thoughts, each piece of the text, each call."""
    index = -1
    if thoughts:
        index += 1
        item = {"type": "reasoning", "id": f"rs_{index}", "summary": [{"type": "summary_text", "text": thoughts}]}
        yield b"".join(
            [
                event("response.output_item.added", output_index=index, item={**item, "summary": []}),
                event("response.reasoning_summary_text.delta", output_index=index, summary_index=0, delta=thoughts),
                event(
                    "response.output_item.done",
                    output_index=index,
                    item={**item, "encrypted_content": ENCRYPTED if request.get("include") else None},
                ),
            ]
        )
    if text:
        index += 1
        yield from _message(index, text, sources)
    for number, (name, arguments) in enumerate(calls):
        index += 1
        yield _call(index, f"call_{len(request.get('input', ()))}_{number}", name, arguments)


def end(request: Mapping[str, Any], *, finish_reason: str | None, usage: tuple[int, int]) -> bytes:
    """The last chunk."""
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    reason = reasons.get(finish_reason or "")
    prompt, completion = usage
    response = {
        "object": "response",
        "model": request.get("model", ""),
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "usage": {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion},
    }
    return event("response.incomplete" if reason else "response.completed", response=response)


def _message(index: int, text: Sequence[str], sources: Sequence[Mapping[str, str]]) -> Iterator[bytes]:
    item: dict[str, Any] = {"type": "message", "id": f"msg_{index}", "role": "assistant", "content": []}
    before = event("response.output_item.added", output_index=index, item=item)
    for piece in text:
        yield before + event("response.output_text.delta", output_index=index, content_index=0, delta=piece)
        before = b""
    annotations = [{"type": "url_citation", "start_index": 0, "end_index": 0, **source} for source in sources]
    part = {"type": "output_text", "text": "".join(text), "annotations": annotations}
    yield event("response.output_item.done", output_index=index, item={**item, "content": [part]})


def _call(index: int, id_: str, name: str, arguments: Mapping[str, Any]) -> bytes:
    """Its arguments split as models split them."""
    written = json.dumps(arguments, ensure_ascii=False)
    half = len(written) // 2
    item = {"type": "function_call", "id": f"fc_{index}", "call_id": id_, "name": name}
    deltas = [
        event("response.function_call_arguments.delta", output_index=index, delta=part)
        for part in (written[:half], written[half:])
    ]
    return b"".join(
        [
            event("response.output_item.added", output_index=index, item={**item, "arguments": ""}),
            *deltas,
            event("response.output_item.done", output_index=index, item={**item, "arguments": written}),
        ]
    )


def event(type_: str, **fields: Any) -> bytes:
    data = json.dumps({"type": type_, **fields})
    return f"event: {type_}\ndata: {data}\n\n".encode()
