"""Where Celery's autodiscovery finds the one task there is, if the setting ENGINE says "celery"."""

from agentchat import conf

if conf.app.engine == "celery":
    from agentchat.runs.engines.celery import advance_run  # noqa: F401
