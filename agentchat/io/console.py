"""The terminal, or wherever the process's standard input and output lead."""

import getpass
from typing import Any

from agentchat.io.base import IOStream, check_addressee


class IOConsole(IOStream):
    """The stream of scripts and of `manage.py chat`. `input` blocks its thread until a line is typed."""

    def print(self, *objects: Any, sep: str = " ", end: str = "\n", flush: bool = False) -> None:
        print(*objects, sep=sep, end=end, flush=flush)

    def input(self, prompt: str = "", *, password: bool = False, name: str | None = None, **addressee: Any) -> str:
        check_addressee(**addressee)
        if password:
            return getpass.getpass(prompt or "Password: ")
        text = input(prompt)
        self.remember("user", text)
        return text
