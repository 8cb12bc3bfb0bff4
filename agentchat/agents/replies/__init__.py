"""Reply functions: the ways in which an agent replies, in the order in which they are asked.

    registry.py      which reply functions are asked, and in which order
    human_input.py   the first: is the chat over, and does the user want to reply?
    tool_calls.py    the next two: running the tools that the other agent's model calls
    llm.py           the last: asking the model
    nested_chats.py  a custom one: chats with other agents before the reply

They take a `ReplyingAgent`, and do not know the class that has them as methods.
"""
