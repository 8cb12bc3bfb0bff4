"""A server in a thread and a client for it: one question, printed as it is answered.

Run it with `python -m agentchat.examples.python_client`.
"""

from websockets.sync.client import connect

from agentchat import IOWebsockets
from agentchat.examples.weather import on_connect

QUESTION = "Check out the weather in Paris and write a poem about it."


def main() -> None:
    with IOWebsockets.run_server_in_thread(on_connect=on_connect, port=0) as uri, connect(uri) as websocket:
        print(f"Connected to {uri}\n", flush=True)
        websocket.send(QUESTION)
        for frame in websocket:  # until the server closes: the agent function has returned
            print(frame, end="", flush=True)


if __name__ == "__main__":
    main()
