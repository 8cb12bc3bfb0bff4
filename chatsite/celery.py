"""The project's Celery application: `celery -A chatsite worker` starts a worker that advances runs.

Its settings are Django's that start with CELERY_, from the environment like all others.
"""

import os

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

app = Celery("chatsite")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect  # type: ignore[untyped-decorator]  # Celery has no types
def _keep_logging(**_: object) -> None:
    """Django has configured it by LOGGING: a worker's log looks like a server's."""
