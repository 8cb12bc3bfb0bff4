"""`manage.py chat <agent>`: an agent function in the terminal, unchanged and without a server.

Nothing is saved, and nothing can be resumed: that takes a run. The exit code is 0 when the agent function returns or
the input ends, 1 if it fails, and 130 at Ctrl-C.
"""

import sys
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from agentchat.core import registry
from agentchat.core.files import MessageText
from agentchat.errors import AgentChatError
from agentchat.io import IOConsole, IOStream

INTERRUPTED = 130  # the exit code of a program that Ctrl-C has ended


class Terminal(IOConsole):
    """The console, with a user. Shows a prompt where an agent asks without one."""

    def __init__(self, user: Any) -> None:
        self.user = user

    def input(
        self, prompt: str = "", *, password: bool = False, name: str | None = None, **addressee: Any
    ) -> MessageText:
        return super().input(prompt or "> ", password=password, **addressee)


class Command(BaseCommand):
    help = "Chat with an agent function in the terminal."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("agent", help="the agent's name, as registered with @on_connect")
        parser.add_argument("--user", metavar="NAME", help="the user to chat as (default: a guest)")

    def handle(self, *args: Any, agent: str, user: str | None, **options: Any) -> None:
        account = _find_user(user) if user is not None else None
        stream = Terminal(account)
        chosen = _find_agent(agent, account)
        try:
            self.stderr.write(f"{chosen.title}. Write a message; Ctrl-C ends the chat.")
            with IOStream.set_default(stream):
                chosen.call(stream)
        except EOFError:
            stream.print()
        except KeyboardInterrupt:
            stream.print("\nGoodbye.")
            sys.exit(INTERRUPTED)
        except AgentChatError as error:
            raise CommandError(f"{type(error).__name__}: {error}") from error


def _find_user(name: str) -> Any:
    users = get_user_model()
    try:
        return users._default_manager.get_by_natural_key(name)
    except users.DoesNotExist:
        raise CommandError(f"there is no user {name!r}") from None


def _find_agent(name: str, user: Any) -> registry.AgentFunction:
    agent = registry.find(name)
    if agent is not None and agent.is_open_to(user):
        return agent
    who = user.get_username() if user is not None else "a guest (see --user)"
    known = ", ".join(known.name for known in registry.open_to(user)) or "none"
    problem = f"unknown agent {name!r}" if agent is None else f"agent {name!r} is not available to {who}"
    raise CommandError(f"{problem}; available to {who}: {known}")
