"""A chat page from the standard library's http.server, with the websocket server on a port of its own.

Run it with `python -m agentchat.examples.http_server_page` and open http://127.0.0.1:8000/; `--help` has the ports.
"""

from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

from agentchat import IOWebsockets
from agentchat.examples.page import Ports, origins_of, page_for, ports_from_command_line
from agentchat.examples.weather import on_connect


class ChatRequestHandler(SimpleHTTPRequestHandler):
    """Serves the files of a directory; the root leads to the chat."""

    def do_GET(self) -> None:
        if self.path == "/":
            self.path = "/chat.html"
        super().do_GET()


def serve(ports: Ports) -> None:
    """Serve the page until Ctrl-C."""
    with (
        TemporaryDirectory() as directory,
        ThreadingHTTPServer(("127.0.0.1", ports.page), partial(ChatRequestHandler, directory=directory)) as pages,
        IOWebsockets.run_server_in_thread(
            on_connect=on_connect, port=ports.websocket, origins=origins_of(pages.server_port)
        ) as uri,
    ):
        Path(directory, "chat.html").write_text(page_for(uri), encoding="utf-8")
        print(f"Open http://127.0.0.1:{pages.server_port}/ (Ctrl-C ends it)", flush=True)
        with suppress(KeyboardInterrupt):
            pages.serve_forever()


if __name__ == "__main__":
    serve(ports_from_command_line("A chat page from http.server."))
