"""The project's Celery application: `celery -A chatsite worker` starts a worker that advances runs.

Its settings are those of Django that begin with CELERY_, from the environment as all others.
"""

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

app = Celery("chatsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _leave_the_log_alone(**_: object) -> None:
    """Django has set it up, by LOGGING: a worker's log looks like a server's."""
