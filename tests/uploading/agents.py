"""Agent functions that take files."""

from PIL import Image

from agentchat import on_connect


@on_connect("clerk", title="Clerk", uploads=["image/*", "application/pdf", "audio/*", "text/*", ".bin"])
def clerk(iostream):
    """Says what it was given."""
    while True:
        message = iostream.input()
        iostream.print(f"I have {', '.join(file.name for file in message.files) or 'no file'}.")


@on_connect("painter", title="Painter", uploads=["image/*"])
def painter(iostream):
    """Sends a chart and a table."""
    iostream.input()
    iostream.send_file("chart.png", Image.new("RGB", (600, 300), "teal"), title="Chairs sold in May")
    iostream.send_file("sales.csv", "chair,9\n<b>table</b>,4\n")
    iostream.input("More?")
