"""Django admin: chats, runs, feedback, shared links, API keys, budgets, pauses. Importing it registers them."""

from agentchat.admin import api_keys, budgets, chats, feedback, runs  # noqa: F401
