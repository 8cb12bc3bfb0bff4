"""The terminal, or wherever the process's standard input and output lead."""

import getpass
from pathlib import Path
from typing import Any

from agentchat.core.file_events import FileSent
from agentchat.core.files import File, MessageText
from agentchat.events import ChatEvent
from agentchat.io.base import IOStream, check_addressee

ATTACH = "/file "
"""Begins a line that attaches a file of this machine to the message on the next line."""


class IOConsole(IOStream):
    """The stream of scripts and of `manage.py chat`. `input` blocks its thread until a line is typed.

    A line `/file <path>` attaches that file to the message that follows. What agents send is saved in a new folder for
    temporary files, and its path is printed.
    """

    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
        print(*objects, sep=sep, end=end, flush=flush)

    def input(
        self, prompt: str = "", *, password: bool = False, name: str | None = None, **addressee: Any
    ) -> MessageText:
        check_addressee(**addressee)
        if password:
            return MessageText(getpass.getpass(prompt or "Password: "))
        files: list[File] = []
        while (path := _attached(text := input(prompt))) is not None:
            files.append(file := File(path.name, path))
            print(f"({file.name}, {file.content_type}, {file.size_text})")
        message = MessageText(text, files)
        self.remember("user", message)
        return message

    def send(self, event: ChatEvent) -> None:
        if not isinstance(event, FileSent):
            return super().send(event)
        for reference in event.files:
            file = self.find_file(reference)
            where = f": {self._folder().saved(file)}" if file is not None else ""
            print(f">>>>>>>> FILE {reference['name']} ({reference['contentType']}){where}", flush=True)
        return None


def _attached(line: str) -> Path | None:
    """The file that a line attaches; None: it is a message."""
    if not line.startswith(ATTACH):
        return None
    path = Path(line.removeprefix(ATTACH).strip().strip("'\"")).expanduser()
    return path if path.is_file() else None
