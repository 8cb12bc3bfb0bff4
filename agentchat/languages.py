"""In which language somebody is spoken to.

Pages leave that to Django's LocaleMiddleware; here are what it does not do: the language of a websocket, and the
languages that the page offers.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, parse_cookie
from django.utils.translation import get_language_from_request, get_language_info, to_locale

MIDDLEWARE = "django.middleware.locale.LocaleMiddleware"
LOCALE = Path(__file__).resolve().parent / "locale"


class Language(NamedTuple):
    code: str
    name: str  # in the language itself


def language_of(scope: Mapping[str, Any]) -> str:
    """The language of a websocket: the one that the page around it has, by the cookie and headers of the handshake."""
    if MIDDLEWARE not in settings.MIDDLEWARE:
        return settings.LANGUAGE_CODE
    headers = {name: value.decode("latin1") for name, value in scope["headers"]}
    request = HttpRequest()
    request.COOKIES = parse_cookie(headers.get(b"cookie", ""))
    request.META["HTTP_ACCEPT_LANGUAGE"] = headers.get(b"accept-language", "")
    return get_language_from_request(request)


def choices() -> list[Language]:
    """The site's languages that the pages are translated into; none, if there is nothing to choose."""
    folders = [LOCALE, *(Path(path) for path in settings.LOCALE_PATHS)]
    found = [
        Language(code, get_language_info(code)["name_local"])
        for code, _ in settings.LANGUAGES
        if code == "en" or any((folder / to_locale(code) / "LC_MESSAGES").is_dir() for folder in folders)
    ]
    return found if MIDDLEWARE in settings.MIDDLEWARE and len(found) > 1 else []
