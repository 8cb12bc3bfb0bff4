"""Agents behind a bare websocket, without Django: each of these is run as `python -m agentchat.examples.NAME`.

    python_client.py      a server in a thread, and a client for it in the same script
    fastapi_page.py       a page from a FastAPI application, which starts and stops the server (needs FastAPI, uvicorn)
    http_server_page.py   the same page from the standard library's http.server
    notebook.py           step by step: a script, and a notebook for tools that read the percent format

    weather.py            the agent function that they serve: the guide's agent with its tool
    page.py chat.html     the page that they serve

Without a key the demo model answers. Nothing else in agentchat imports these.
"""
