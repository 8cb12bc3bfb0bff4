"""Agent functions that take files."""

from agentchat import on_connect


@on_connect("clerk", title="Clerk", uploads=["image/*", "application/pdf", "audio/*", "text/*", ".bin"])
def clerk(iostream):
    """Says what it was given."""
    while True:
        message = iostream.input()
        iostream.print(f"I have {', '.join(file.name for file in message.files) or 'no file'}.")
