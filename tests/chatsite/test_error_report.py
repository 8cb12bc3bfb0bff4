"""What Django shows of the settings when something fails has no passwords, whatever a setting is called."""

import pytest
from django.test import RequestFactory
from django.views.debug import ExceptionReporter, get_exception_reporter_filter

URL = "redis://agent:s3cret-of-redis@cache:6379/0"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("REDIS_URL", URL),
        ("ADDRESS", f"see {URL} for it"),
        ("CHANNEL_LAYERS", {"default": {"CONFIG": {"hosts": [{"address": URL}]}}}),
        ("CACHES", {"default": {"LOCATION": [URL]}}),
        ("HOSTS", (URL, 6379)),
    ],
)
def test_a_password_in_a_setting_is_not_reported(settings, setting, value):
    setattr(settings, setting, value)
    reporter = ExceptionReporter(RequestFactory().get("/"), ValueError, ValueError("broken"), None)
    for report in (reporter.get_traceback_html(), reporter.get_traceback_text()):
        assert setting in report
        assert "s3cret-of-redis" not in report


def test_other_settings_are_reported_as_they_are(settings):
    shown = get_exception_reporter_filter(RequestFactory().get("/")).get_safe_settings()
    assert shown["ROOT_URLCONF"] == settings.ROOT_URLCONF
    assert shown["INSTALLED_APPS"] == settings.INSTALLED_APPS
