"""The user's language.

Pages leave it to Django's LocaleMiddleware; this adds the language of a websocket, and the list of languages to choose
from.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import global_settings, settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.http import HttpRequest, parse_cookie
from django.middleware.locale import LocaleMiddleware
from django.utils.module_loading import import_string
from django.utils.translation import get_language_from_request, get_language_info, to_locale

LOCALE = Path(__file__).resolve().parent.parent / "locale"


class Language(NamedTuple):
    code: str
    name: str  # in the language itself


def language_of(scope: Mapping[str, Any]) -> str:
    """The language of a websocket: that of its page, by the path, cookie and headers of the handshake."""
    if not _is_chosen():
        return settings.LANGUAGE_CODE
    headers = {name: value.decode("latin1") for name, value in scope["headers"]}
    request = HttpRequest()
    request.COOKIES = parse_cookie(headers.get(b"cookie", ""))
    request.META["HTTP_ACCEPT_LANGUAGE"] = headers.get(b"accept-language", "")
    request.path_info = scope.get("path", "/")
    in_paths, _ = is_language_prefix_patterns_used(settings.ROOT_URLCONF)
    return get_language_from_request(request, check_path=in_paths)


def choices() -> list[Language]:
    """The site's languages for which there are translations; none, if there is nothing to choose."""
    found = [Language(code, _name_of(code, name)) for code, name in settings.LANGUAGES if _is_translated(code)]
    return found if _is_chosen() and len(found) > 1 else []


def _is_chosen() -> bool:
    """Whether each user has a language, and not the site."""
    return any(issubclass(each, LocaleMiddleware) for each in _middleware(tuple(settings.MIDDLEWARE)))


@cache
def _middleware(paths: tuple[str, ...]) -> list[type]:
    return [each for each in map(import_string, paths) if isinstance(each, type)]


def _is_translated(code: str) -> bool:
    """Whether there is a catalogue for the language, of any region ("de" for "de-at").

    In Django's own list of all languages, which nobody chose, "de-at" would be only another "de".
    """
    is_chosen = settings.LANGUAGES is not global_settings.LANGUAGES
    locales = _generalized(to_locale(code)) if is_chosen else [to_locale(code)]
    folders = [LOCALE, *(Path(path) for path in settings.LOCALE_PATHS)]
    return locales[-1] == "en" or any(
        (folder / locale / "LC_MESSAGES").is_dir() for folder in folders for locale in locales
    )


def _generalized(locale: str) -> list[str]:
    """ "zh_Hans_HK", "zh_Hans", "zh": where gettext looks, one after the other."""
    parts = locale.split("_")
    return ["_".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _name_of(code: str, name: str) -> str:
    """The name of the language in itself, as far as Django knows it; otherwise as LANGUAGES has it."""
    try:
        return str(get_language_info(code)["name_local"])
    except KeyError:
        return str(name)
