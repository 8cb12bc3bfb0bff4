"""The Django project around the app: settings from the environment, the addresses, and two agents to try.

Nothing in `agentchat` knows of it. A project of your own takes its place; the README says how.
"""

import os
from importlib.util import find_spec

# Who sends a task needs the application that says where to. Without workers Celery need not be there; where it is
# wanted and missing, `manage.py check` says so.
if os.environ.get("AGENTCHAT_ENGINE") == "celery" and find_spec("celery") is not None:
    from chatsite.celery import app as celery_app  # noqa: F401
