"""Django system checks. Importing this package registers them."""

from agentchat.checks import budgets, files, models, programs, secrets, serving, site, workers  # noqa: F401
