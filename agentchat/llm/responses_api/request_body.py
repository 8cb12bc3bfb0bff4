"""A request of the chat API, as the Responses API has it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Body = dict[str, Any]

_RENAMED = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
_NOT_THERE = ("messages", "stream_options", "response_format", "reasoning_effort", "verbosity", "tools", "tool_choice")


def as_responses(body: Mapping[str, Any], hosted_tools: Sequence[Mapping[str, Any]] = ()) -> Body:
    """The request. What both APIs have stays as it is; what only the other has is refused by the service."""
    result: Body = {_RENAMED.get(key, key): value for key, value in body.items() if key not in _NOT_THERE}
    result["input"] = [item for message in body["messages"] for item in _items_of(message)]
    if tools := [*map(_tool, body.get("tools") or ()), *hosted_tools]:
        result["tools"] = tools
    if choice := body.get("tool_choice"):
        result["tool_choice"] = _flat(choice) if isinstance(choice, Mapping) else choice
    if text := _text_config(body):
        result["text"] = {**text, **(result.get("text") or {})}
    if effort := body.get("reasoning_effort"):
        result["reasoning"] = {"effort": effort, "summary": "auto", **(result.get("reasoning") or {})}
    return result


def _text_config(body: Mapping[str, Any]) -> Body:
    config: Body = {}
    if isinstance(format_ := body.get("response_format"), Mapping):
        schema = format_.get("json_schema")
        config["format"] = {"type": format_.get("type"), **(schema if isinstance(schema, Mapping) else {})}
    if verbosity := body.get("verbosity"):
        config["verbosity"] = verbosity
    return config


def _tool(tool: Mapping[str, Any]) -> Body:
    """A function without the object around its fields. Its schema is no strict one, as in the chat API."""
    return {"strict": False, **_flat(tool)} if isinstance(tool.get("function"), Mapping) else dict(tool)


def _flat(wrapped: Mapping[str, Any]) -> Body:
    inner = wrapped.get("function")
    return {"type": "function", **inner} if isinstance(inner, Mapping) else dict(wrapped)


# --- the conversation -------------------------------------------------------------------------------------------------


def _items_of(message: Mapping[str, Any]) -> Iterator[Body]:
    role, content = message["role"], message.get("content")
    if role == "tool":
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": content or ""}
        return
    # Without its encrypted content, an item would be looked up where nothing is stored.
    yield from (item for item in message.get("reasoning_items") or () if item.get("encrypted_content"))
    if content:
        yield {"role": role, "content": _content(content, is_answer=role == "assistant")}
    for call in message.get("tool_calls") or ():
        function = call["function"]
        yield {
            "type": "function_call",
            "call_id": call["id"],
            "name": function["name"],
            "arguments": function["arguments"],
        }


def _content(content: Any, *, is_answer: bool) -> Any:
    if not isinstance(content, list):
        return content
    return [_part(part, is_answer=is_answer) for part in content]


def _part(part: Mapping[str, Any], *, is_answer: bool) -> Body:
    match part.get("type"):
        case "text":
            return {"type": "output_text" if is_answer else "input_text", "text": part.get("text", "")}
        case "image_url":
            image = part.get("image_url")
            fields = {"url": image} if isinstance(image, str) else dict(image or {})
            return {"type": "input_image", "image_url": fields.get("url"), "detail": fields.get("detail") or "auto"}
        case "file":
            return {"type": "input_file", **(part.get("file") or {})}
    return dict(part)
