"""The Django app, and what happens once, at startup."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class AgentchatConfig(AppConfig):
    name = "agentchat"
    verbose_name = _("Agent chats")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from agentchat import checks, conf, receivers  # noqa: F401  (checks and receivers register themselves)
        from agentchat.actions import outbox
        from agentchat.llm import timeouts
        from agentchat.llm.config import set_source
        from agentchat.runs import supervisor
        from agentchat.tools import execution

        conf.note_secrets()
        set_source(lambda: conf.app.llm)
        timeouts.default_first_word = lambda: conf.app.llm_timeout_s
        execution.default_timeout = lambda: conf.app.tool_timeout_s
        if outbox.deliver_overdue not in supervisor.CHORES:
            supervisor.CHORES.append(outbox.deliver_overdue)
        autodiscover_modules("agents")
