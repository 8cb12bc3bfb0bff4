"""The page of the examples, `chat.html`, and what both of its servers share.

It shows the text of the bare websocket. For a page with tools, forms and a history, use the Django app.
"""

import argparse
from dataclasses import dataclass
from importlib.resources import files
from urllib.parse import urlsplit

from agentchat.llm.config import uses_demo

DEMO_NOTICE = "Demo model: scripted, no AI. Set OPENAI_API_KEY to use a real model."


@dataclass(frozen=True, kw_only=True)
class Ports:
    """The ports of the page and of its websocket."""

    page: int
    websocket: int


def ports_from_command_line(description: str) -> Ports:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=8000, help="of the page")
    parser.add_argument("--websocket-port", type=int, default=8080, help="0 for a free one")
    arguments = parser.parse_args()
    return Ports(page=arguments.port, websocket=arguments.websocket_port)


def page_for(uri: str) -> str:
    """The page, for a websocket server that listens at `uri`."""
    template = files("agentchat.examples").joinpath("chat.html").read_text(encoding="utf-8")
    page = template.replace("WEBSOCKET_PORT", str(urlsplit(uri).port))
    return page.replace("DEMO_NOTICE", DEMO_NOTICE if uses_demo() else "")


def origins_of(port: int) -> list[str]:
    """The page's origins, as browsers send them with its websocket. Pages of other origins may not use it."""
    return [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]
