"""Group chats: several agents in one chat.

    groupchat.py          the members, the messages, and who speaks next
    manager.py            the agent that all members exchange messages with
    transitions.py        who may speak after whom
    speaker_selection.py  the ways to choose who speaks next
    clear_history.py      the command "clear history"
    saved_messages.py     a group chat's messages as JSON, to resume it later

The group chat decides, and the manager sends and receives.
"""
