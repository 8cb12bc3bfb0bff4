"""The settings of a site whose own page has chats in it: one behind a button, one in the text."""

from chatsite.settings import *  # noqa: F403

ROOT_URLCONF = "tests.host_urls"
