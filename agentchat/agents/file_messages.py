"""Messages with files, as a model's request has them: texts with parts that refer to the files."""

from collections.abc import Callable, Iterable

from agentchat.agents.protocols import Message
from agentchat.core.files import ContentReference, File, MessageText, references_in

FindFile = Callable[[str], File | None]


def with_file_parts(messages: Iterable[Message], find: FindFile) -> tuple[list[Message], dict[str, File]]:
    """The messages, in which the files of a text are parts beside it; and the files, by what stands for them there.

    `find` is asked for the files of references that were kept as JSON.
    """
    files: dict[str, File] = {}
    return [_with_parts(message, files, find) for message in messages], files


def _with_parts(message: Message, files: dict[str, File], find: FindFile) -> Message:
    content = message.get("content")
    if isinstance(content, MessageText) and content.files:
        text = [{"type": "text", "text": str(content)}] if content.strip() else []
        content = [*text, *(file.as_content() for file in content.files)]
    if not isinstance(content, list):
        return message
    parts = []
    for part in content:
        for reference in references_in(part):
            file = reference.file if isinstance(reference, ContentReference) else find(reference)
            if file is not None and message.get("role") == "assistant":  # services take files of users alone
                part = {"type": "text", "text": f"[File {file.name} ({file.content_type}, {file.size_text})]"}
            elif file is not None:
                file.locate()
                files[str(reference)] = file
        parts.append(part)
    return {**message, "content": parts}
