"""A chat page from a FastAPI application, which starts and stops the websocket server with itself.

Needs `pip install "agentchat[examples]"`. Run it with `python -m agentchat.examples.fastapi_page` and open
http://127.0.0.1:8000/; `--help` has the ports.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from agentchat import IOWebsockets
from agentchat.examples.page import Ports, origins_of, page_for, ports_from_command_line
from agentchat.examples.weather import on_connect


def make_app(ports: Ports) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with IOWebsockets.run_server_in_thread(
            on_connect=on_connect, port=ports.websocket, origins=origins_of(ports.page)
        ) as uri:
            app.state.uri = uri
            yield

    app = FastAPI(title="agentchat", lifespan=lifespan)

    @app.get("/", response_class=HTMLResponse)
    def chat() -> str:
        return page_for(app.state.uri)

    return app


def main() -> None:
    ports = ports_from_command_line("A chat page from FastAPI.")
    uvicorn.run(make_app(ports), host="127.0.0.1", port=ports.page)


if __name__ == "__main__":
    main()
