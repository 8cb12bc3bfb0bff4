"""How programs talk to agent functions, instead of people with a browser: each protocol is an extra, off unless set.

    callers.py         who calls: the owner of an API key
    endpoints.py       what all addresses have in common: methods, keys, CORS, errors
    session_stream.py  following a chat session's events over HTTP
    threads.py         which chat session a program's conversation is
    turns.py           a turn: a message or an answer, and what the agent says to it

A protocol translates, and nothing else: `agui/`, `openai_api/`. It sends by `actions`, as the websocket does, and
follows events by a subscriber of the hub, on the server's loop: no request that waits holds a thread.
"""
