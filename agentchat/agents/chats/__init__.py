"""Chats between agents.

    initiation.py     the methods of an agent that start chats
    two_agent.py      one chat between two agents: its turns, and its result
    repeated_replies.py  whether it leads nowhere
    first_message.py  its first message, and what is carried over into it
    summary.py        its summary, and its cost
    sequence.py       several chats, in sequence or by prerequisites

Group chats are in `agents.group`: to the agent that starts one, it is a chat with the manager.
"""
