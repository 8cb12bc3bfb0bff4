"""Django admin: chat sessions, runs, feedback, shared links and API keys. Importing it registers them."""

from agentchat.admin import api_keys, chats, feedback, runs  # noqa: F401
