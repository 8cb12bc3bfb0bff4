"""Django admin: chat sessions, runs, feedback and shared links. Importing it registers them."""

from agentchat.admin import chats, feedback, runs  # noqa: F401
