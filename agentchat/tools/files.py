"""Files that a tool returns: a card for the user, and for the model a line, or the picture itself."""

from collections.abc import Callable, Mapping
from typing import Any

from agentchat.core.file_values import files_in
from agentchat.core.files import File, MessageText, files_of_text

FILES = "files"
"""Where the result of a tool call has the references of its files, if it has some."""

MAX_FILES = 20  # of one result


def returned_text(value: Any, tool: str, *, is_seen: bool, as_text: Callable[[Any], str]) -> str:
    """What the model reads of what a tool returned; a text with files, if there are some in it.

    `is_seen`: whether the user sees them. `as_text` makes the text of all the rest.
    """
    files, rest = files_in(value, tool)
    if not files:
        return as_text(value)
    lines = [] if rest is None else [as_text(rest)]
    lines += [_line(file, is_seen=is_seen) for file in files[:MAX_FILES]]
    if len(files) > MAX_FILES:
        lines.append(f"({len(files) - MAX_FILES} more files are left out: a tool may return {MAX_FILES})")
    return MessageText("\n".join(lines), files[:MAX_FILES])


def _line(file: File, *, is_seen: bool) -> str:
    title = f": {file.title}" if file.title else ""
    seen = " The user sees it in the chat; it has no address to link to." if is_seen else ""
    return f"[File {file.name} ({file.content_type}, {file.size_text}){title}]{seen}"


def kept_files(text: str, stream: object, key: str) -> dict[str, Any]:
    """The references of the files of a text, which the stream keeps from now on, as a part of a result."""
    keep: Callable[[File, str], File] | None = getattr(stream, "keep_file", None)
    files = files_of_text(text)
    kept = [keep(file, f"{key}.{number}") if keep else file for number, file in enumerate(files)]
    return {FILES: [file.reference() for file in kept]} if kept else {}


def tool_text(result: Mapping[str, Any], stream: object) -> str:
    """What the model reads of a recorded result, with the files that the stream finds again."""
    text, find = str(result["content"]), getattr(stream, "find_file", None)
    if not result.get(FILES) or find is None:
        return text
    found = [find(reference) for reference in result[FILES]]
    return MessageText(text, [file for file in found if file is not None])
