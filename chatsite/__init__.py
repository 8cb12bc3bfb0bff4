"""The Django project around the app: settings from the environment, URLs, and agent functions to try.

Nothing in `agentchat` depends on it. A project of your own takes its place; the README says how.
"""

import os
from importlib.util import find_spec

# Sending a task needs the application that knows the broker. Without workers Celery need not be installed; if it is
# missing but configured, `manage.py check` reports it.
if os.environ.get("AGENTCHAT_ENGINE") == "celery" and find_spec("celery") is not None:
    from chatsite.celery import app as celery_app  # noqa: F401
