"""The Content-Security-Policy, where static files are on a site of their own."""

import pytest

from agentchat import csp


def of(directive):
    return dict(each.split(" ", 1) for each in csp.policy().split("; "))[directive]


@pytest.mark.parametrize(
    ("url", "sources"),
    [
        ("/static/", "'self'"),
        ("https://cdn.example/files/", "'self' https://cdn.example"),
        ("//cdn.example:8443/", "'self' cdn.example:8443"),
    ],
)
def test_scripts_styles_and_images_may_come_from_where_static_files_are(settings, url, sources):
    settings.STATIC_URL = url
    assert {of(name) for name in csp.STATIC_FILES} == {sources}
    assert of("connect-src") == of("form-action") == "'self'"


def test_files_that_are_not_collected_open_nothing(settings, tmp_path):
    settings.DEBUG = False
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {"staticfiles": {"BACKEND": "agentchat.storage.ManifestStaticFilesStorage"}}
    assert of("script-src") == "'self'"
