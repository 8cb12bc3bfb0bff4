"""The Django app, and what happens once, at startup."""

from django.apps import AppConfig, apps
from django.db.models.signals import post_save
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from agentchat.errors import ConfigError


class AgentchatConfig(AppConfig):
    name = "agentchat"
    verbose_name = _("Agent chats")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from agentchat import checks, conf  # noqa: F401  (checks and receivers register themselves)
        from agentchat.actions import notifications, outbox, retention, titles, upload_checks
        from agentchat.budgets.roll_up import RollUp
        from agentchat.core import addressees
        from agentchat.llm import file_parts, timeouts
        from agentchat.llm.config import set_source
        from agentchat.mcp import definitions, servers
        from agentchat.models import pinned_tool
        from agentchat.runs import delegated_questions, row_watch, supervisor
        from agentchat.tools import execution
        from agentchat.web import receivers  # noqa: F401

        conf.note_secrets()
        set_source(lambda: conf.app.llm)
        timeouts.default_first_word = lambda: conf.app.llm_timeout_s
        file_parts.file_limits = lambda: file_parts.FileLimits(
            file=conf.app.model_file_mb * 10**6, request=conf.app.model_files_mb * 10**6
        )
        execution.default_timeout = lambda: conf.app.tool_timeout_s
        servers.configured = lambda: conf.app.mcp_servers
        definitions.pinned, definitions.accept = pinned_tool.pinned, pinned_tool.accept
        supervisor.CHORES[:] = [
            RollUp().look,
            outbox.deliver_overdue,
            row_watch.check_next,
            delegated_questions.escalate_due,
            notifications.deliver_due,
            titles.make_due,
            retention.Keeper().delete_next,
            upload_checks.Checker().check_due,
        ]
        post_save.connect(row_watch.after_save, dispatch_uid="agentchat_awaited_rows")
        addressees.check_permission = _check_permission
        _observe(conf.app.values.get("OPENTELEMETRY") is True)  # a wrong value is reported by the checks
        autodiscover_modules("agents")


def _observe(is_wanted: bool) -> None:
    """Have an observer, or none. Raise ConfigError if the package for it is not installed."""
    from agentchat.core import observing

    if not is_wanted:
        return
    try:
        from agentchat.telemetry.genai import GenAIObserver
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"AGENTCHAT['OPENTELEMETRY'] is True, and {error.name} is not installed: pip install "
            f"'agentchat[opentelemetry]'"
        ) from error
    observing.observer = GenAIObserver()


def _check_permission(permission: str) -> None:
    """Raise ConfigError for a permission of an app that the site does not have."""
    label = permission.partition(".")[0]
    try:
        apps.get_app_config(label)
    except LookupError as error:
        raise ConfigError(
            f"to={permission!r}: there is no app {label!r} that could have this permission. (The path of a function "
            f"names a module of a package, as in 'shop.people.may_refund')"
        ) from error
