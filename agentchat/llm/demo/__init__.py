"""The demo model: a script behind the real SDK, for sites without an API key.

    transport.py    its service, an HTTP transport in this process
    requests.py     what it is asked
    script.py       its answers
    team.py         its answers in a group chat
    tool_choice.py  which tools it calls
    arguments.py    the arguments that it passes to tools
    words.py        words and numbers in a text

Nothing here uses the network.
"""
