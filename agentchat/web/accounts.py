"""Where users sign in, sign out and change their password: pages of the project, by whatever names it has them."""

from urllib.parse import urlsplit

from django.conf import global_settings, settings
from django.http import HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, get_script_prefix, resolve, reverse

from agentchat import conf

LOGOUT_NAMES = ("logout", "account_logout")  # Django's, and django-allauth's
PASSWORD_CHANGE_NAMES = ("password_change", "account_change_password")


def login_url(*, next: str = "") -> str | None:
    """LOGIN_URL, which leads back to `next`. None if it is not the name of a page, or a default without a page."""
    try:
        url = resolve_url(settings.LOGIN_URL)
    except NoReverseMatch:
        return None
    if settings.LOGIN_URL == global_settings.LOGIN_URL and not has_page(url):
        return None
    return redirect_to_login(next).url if next else url


def redirect_to_login(next: str) -> HttpResponseRedirect:
    """To LOGIN_URL, which leads back to `next`."""
    from django.contrib.auth import views  # late: without that app, the system checks must be able to say so

    return views.redirect_to_login(next)


def logout_url() -> str | None:
    return _url(conf.app.logout_url, LOGOUT_NAMES)


def password_change_url() -> str | None:
    return _url(conf.app.password_change_url, PASSWORD_CHANGE_NAMES)


def _url(chosen: str | None, names: tuple[str, ...]) -> str | None:
    if chosen is not None:
        return resolve_url(chosen)
    for name in names:
        try:
            return reverse(name)
        except NoReverseMatch:
            continue
    return None


def has_page(url: str) -> bool:
    """Whether this project has a page there. Of what is beyond its path, only Django's default is known to be wrong."""
    parts, prefix = urlsplit(url), get_script_prefix()
    if parts.netloc or not parts.path.startswith(prefix):
        return url != global_settings.LOGIN_URL
    try:
        resolve("/" + parts.path.removeprefix(prefix))
    except Resolver404:
        return False
    return True
