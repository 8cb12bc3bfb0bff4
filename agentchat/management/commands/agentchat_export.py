"""`manage.py agentchat_export <chat>`: the transcript of a chat session, as Markdown or JSON.

Also of a chat that its owner has deleted, until it is purged. Exit code 0 if it was written, 1 if it cannot be.
"""

from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from agentchat.models import ChatSession
from agentchat.presentation import export

FORMATS = {"md": export.markdown_of, "json": export.json_of}


class Command(BaseCommand):
    help = "Export the transcript of a chat session, in UTF-8."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("chat", type=UUID, help="the chat session's ID: the last part of its URL")
        parser.add_argument(
            "--format",
            choices=FORMATS,
            default="md",
            help="md: Markdown, what the page shows (default); json: every event",
        )
        parser.add_argument(
            "--output",
            type=Path,
            metavar="FILE",
            help="write to FILE, overwriting it (default: standard output)",
        )

        parser.add_argument("--thoughts", action="store_true", help="with what models thought before they answered")

    def handle(self, *args: Any, chat: UUID, format: str, output: Path | None, thoughts: bool, **options: Any) -> None:
        session = ChatSession.objects.select_related("owner").filter(pk=chat).first()
        if session is None:
            raise CommandError(f"there is no chat session {chat}")
        pieces = FORMATS[format](session, with_thoughts=thoughts)
        if output is None:
            for piece in pieces:
                self.stdout.write(piece, ending="")
            return
        try:
            with output.open("w", encoding="utf-8") as file:
                file.writelines(pieces)
        except OSError as error:
            raise CommandError(f"cannot write to {output}: {error.strerror}") from error
