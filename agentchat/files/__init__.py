"""Files of chats: what they are, where their bytes are, and what events carry of them.

Pages, actions and runs use it; it knows no run and no socket. The rules of uploads are in `agentchat.actions.uploads`.
"""

from agentchat.files.store import find_file, open_file, read_file, reference_of, store_file

__all__ = ["find_file", "open_file", "read_file", "reference_of", "store_file"]
