"""Where Celery's autodiscovery finds the task, if the setting ENGINE is "celery"."""

from agentchat import conf

if conf.app.engine == "celery":
    from agentchat.runs.engines.celery_task import advance_run  # noqa: F401
