"""Django's page of a failure, with DEBUG, and its mails to ADMINS: they show settings, and addresses have passwords."""

from typing import Any

from django.views.debug import SafeExceptionReporterFilter

from agentchat.core.secrets import mask


class MaskingReporterFilter(SafeExceptionReporterFilter):
    """Without the secrets that agentchat knows and the passwords in URLs, whatever a setting is called."""

    def cleanse_setting(self, key: Any, value: Any) -> Any:
        cleansed = super().cleanse_setting(key, value)
        return mask(cleansed) if isinstance(cleansed, str) else cleansed
