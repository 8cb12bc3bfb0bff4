"""What a call of an MCP tool has returned: text and JSON for the model, pictures and files for the chat."""

import base64
import json
import mimetypes
from typing import Any

from agentchat.core.files import File
from agentchat.errors import ToolError

MAX_CHARS = 200_000  # of a result; a model could read no more, and the journal has to keep it


def returned_value(result: Any) -> Any:
    """A text, or a list of a text and files. Raise ToolError if the call has failed, or asks something."""
    if not hasattr(result, "content"):
        raise ToolError(
            "the tool asks the user for something before it goes on, which is not possible here: ask the user "
            "yourself, and call it with all that it needs. Nothing is known to have happened"
        )
    texts: list[str] = []
    files: list[File] = []
    for number, block in enumerate(result.content, start=1):
        _add(block, number, texts, files)
    structured = result.structured_content
    if structured is not None and not any(_is_json_of(text, structured) for text in texts):
        texts.append(json.dumps(structured, ensure_ascii=False))
    text = "\n".join(texts)
    if len(text) > MAX_CHARS:
        text = f"{text[:MAX_CHARS]}\n(cut: the result has {len(text)} characters)"
    if result.is_error:
        raise ToolError(text or "the tool failed, and did not say why")
    return [text, *files] if files and text else files or text


def _add(block: Any, number: int, texts: list[str], files: list[File]) -> None:
    match block.type:
        case "text":
            texts.append(block.text)
        case "image" | "audio":
            files.append(_file(f"{block.type}-{number}", block.data, block.mime_type))
        case "resource" if hasattr(block.resource, "text"):
            texts.append(block.resource.text)
        case "resource":
            name = str(block.resource.uri).rstrip("/").rpartition("/")[2] or f"file-{number}"
            files.append(_file(name, block.resource.blob, block.resource.mime_type or ""))
        case "resource_link":
            texts.append(f"[{block.name}]({block.uri})")  # it is not fetched
        case other:
            texts.append(f"[a {other}, which is not supported]")


def _file(name: str, data: str, content_type: str) -> File:
    extension = "" if mimetypes.guess_type(name)[0] else mimetypes.guess_extension(content_type) or ""
    try:
        return File(f"{name}{extension}", base64.b64decode(data, validate=True), content_type)
    except ValueError as error:
        raise ToolError(f"the tool returned a file {name!r} that is not valid: {error}") from error


def _is_json_of(text: str, value: Any) -> bool:
    """Whether a text is the structured content once more, as the specification wants it for older clients."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = text
    return bool(read == value or value == {"result": read} or value == {"result": text})
