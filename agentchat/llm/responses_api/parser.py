"""The stream of the Responses API, read as one of the chat API: each of its events becomes a chunk, or none.

What `StreamParser` knows of answers (broken ones too) holds here as well.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from agentchat.llm.response import ModelResponse
from agentchat.llm.responses_api.hosted_tools import call_of
from agentchat.llm.stream_parser import StreamParser

Chunk = dict[str, Any]

_ENDS = ("response.completed", "response.incomplete")


class ResponsesParser(StreamParser):
    """The answer so far. Reasoning items are kept whole, and go back with the calls that they led to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_over = False
        self._with_deltas: set[Any] = set()  # the outputs that came piece by piece, by their indexes
        self._reasoning_items: list[dict[str, Any]] = []
        self._hosted_calls: list[dict[str, Any]] = []

    @property
    def done(self) -> bool:
        return self._is_over or super().done

    def _response(self) -> ModelResponse:
        response = super()._response()
        reasoning = {"reasoning_items": self._reasoning_items} if response.calls and self._reasoning_items else None
        return replace(response, reasoning=reasoning, hosted_calls=tuple(self._hosted_calls))

    def _apply(self, chunk: Any) -> None:
        if isinstance(chunk, Mapping) and ("type" in chunk or chunk.get("object") == "response"):
            for translated in self._chunks_of(chunk):
                super()._apply(translated)
        else:
            super()._apply(chunk)  # an error in another shape, or no answer at all

    def _chunks_of(self, event: Mapping[str, Any]) -> Iterator[Chunk]:
        delta, index = event.get("delta"), event.get("output_index")
        match event.get("type"):
            case "response.output_text.delta":
                self._with_deltas.add(index)
                yield _delta(content=delta)
            case "response.refusal.delta":
                self._with_deltas.add(index)
                yield _delta(refusal=delta)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" as type_:
                yield _delta(**{"reasoning" if "summary" in type_ else "reasoning_content": delta})
            case "response.reasoning_summary_part.added" if event.get("summary_index"):
                yield _delta(reasoning="\n\n")
            case "response.output_text.annotation.added":
                yield _delta(annotations=[event.get("annotation")])
            case "response.output_item.added" if _kind(event.get("item")) == "function_call":
                yield _call(index, event["item"], arguments="")
            case "response.function_call_arguments.delta":
                self._with_deltas.add(index)
                yield _delta(tool_calls=[{"index": index, "function": {"arguments": delta}}])
            case "response.output_item.done":
                yield from self._item(event.get("item"), index, was_added=True)
            case "error":
                yield {"error": {key: value for key, value in event.items() if key != "type"}}
            case "response.failed":
                yield from self._end(event.get("response"), status="failed")
            case type_ if type_ in _ENDS:
                yield from self._end(event.get("response"))
            case None:  # an answer that was not streamed
                for number, item in enumerate(event.get("output") or ()):
                    yield from self._item(item, number, was_added=False)
                yield from self._end(event)

    def _item(self, item: Any, index: Any, *, was_added: bool) -> Iterator[Chunk]:
        """A whole item of the output: what did not come in pieces before."""
        if not isinstance(item, Mapping):
            return
        if call := call_of(item):
            self._hosted_calls.append(call)
        match _kind(item):
            case "reasoning":
                self._reasoning_items.append({key: value for key, value in item.items() if key != "status"})
            case "function_call" if not was_added:
                yield _call(index, item, arguments=item.get("arguments"))
            case "function_call" if index not in self._with_deltas:
                yield _delta(tool_calls=[{"index": index, "function": {"arguments": item.get("arguments")}}])
            case "message":
                parts = [part for part in item.get("content") or () if isinstance(part, Mapping)]
                if index not in self._with_deltas:
                    yield from (_delta(content=part.get("text"), refusal=part.get("refusal")) for part in parts)
                yield from (_delta(annotations=part["annotations"]) for part in parts if part.get("annotations"))

    def _end(self, response: Any, *, status: str | None = None) -> Iterator[Chunk]:
        fields = response if isinstance(response, Mapping) else {}
        status = status or fields.get("status")
        if status == "failed" or fields.get("error"):
            yield {"error": fields.get("error") or {"message": "the service failed to answer"}}
            return
        self._is_over = True
        details = fields.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, Mapping) else None
        finish = reason or ("tool_calls" if self._first.tool_calls else "stop")
        usage = fields.get("usage")
        yield {
            "model": fields.get("model"),
            "choices": [{"index": 0, "delta": {}, "finish_reason": finish}],
            "usage": _chat_usage(usage) if isinstance(usage, Mapping) else None,
        }


def _kind(item: Any) -> Any:
    return item.get("type") if isinstance(item, Mapping) else None


def _delta(**fields: Any) -> Chunk:
    return {"choices": [{"index": 0, "delta": fields}]}


def _call(index: Any, item: Mapping[str, Any], *, arguments: Any) -> Chunk:
    function = {"name": item.get("name"), "arguments": arguments}
    return _delta(tool_calls=[{"index": index, "id": item.get("call_id"), "type": "function", "function": function}])


def _chat_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "total_tokens": usage.get("total_tokens"),
        "prompt_tokens_details": usage.get("input_tokens_details"),
        "completion_tokens_details": usage.get("output_tokens_details"),
    }
