"""Agent functions of a site that moves from one database to another."""

from agentchat import IOStream, on_connect


@on_connect("vault")
def vault(iostream: IOStream) -> None:
    """Takes a password, and needs it again after the move."""
    iostream.input()
    secret = iostream.input("The vault's code?", password=True)
    word = iostream.input("And what for?")
    iostream.print(f"{word}: opened with {secret[::-1]}.")


@on_connect("echo")
def echo(iostream: IOStream) -> None:
    iostream.print("You said " + iostream.input())
