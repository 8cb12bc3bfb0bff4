"""Signing in, with an end to guessing passwords: on the site's own page, in admin, and where a password is changed.

Each try is counted before the password is looked at, so tries at the same time do not pass together, and what is
refused costs no hashing. A right password is not counted. A name has its limit for each address: who guesses it from
elsewhere does not lock its user out. An address has one for all names.
"""

import math
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import views
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import ngettext

from agentchat.actions.rate_limits import Bucket, BucketFull, give_back, key_of, use
from agentchat.infra.addresses import address_of_meta
from agentchat.infra.database import USER_TIMEOUT_SECONDS, lock_timeout

TRIES, TRIES_OF_ADDRESS = 10, 60
SECONDS, SECONDS_OF_ADDRESS = 15 * 60, 60 * 60


class _Try:
    """One try of a password. Raise ValidationError if there were too many."""

    def __init__(self, request: HttpRequest, name: str) -> None:
        address = address_of_meta(request.META)
        one = Bucket(key_of("password", name, address), TRIES, SECONDS)
        self._used = {one: 1.0}
        if address:
            self._used[Bucket(key_of("passwords", address), TRIES_OF_ADDRESS, SECONDS_OF_ADDRESS)] = 1.0
        try:
            with lock_timeout(USER_TIMEOUT_SECONDS):
                use(self._used)
        except BucketFull as full:
            request.META["retry_after"] = math.ceil(full.seconds)  # for the response
            minutes = math.ceil(full.seconds / 60)
            text = ngettext(
                "Too many wrong passwords. Please try again in %(minutes)d minute.",
                "Too many wrong passwords. Please try again in %(minutes)d minutes.",
                minutes,
            )
            raise ValidationError(text, code="rate_limited", params={"minutes": minutes}) from full

    def was_right(self) -> None:
        """It does not count."""
        give_back(self._used)


class SignInForm(AuthenticationForm):
    def clean(self) -> dict[str, Any]:
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if name is None or not password or self.request is None:
            return super().clean()
        attempt = _Try(self.request, name)
        cleaned = super().clean()
        attempt.was_right()
        return cleaned


class AdminSignInForm(SignInForm, AdminAuthenticationForm):
    """The same in admin, which lets in staff only."""


class OwnPasswordForm(PasswordChangeForm):
    """The old password is a password, too: whoever has somebody's session must not guess it."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    def clean_old_password(self) -> str:
        attempt = _Try(self._request, self.user.get_username())
        password = super().clean_old_password()
        attempt.was_right()
        return password


class SignInView(views.LoginView):
    form_class = SignInForm
    redirect_authenticated_user = True


class PasswordChangeView(views.PasswordChangeView):
    form_class = OwnPasswordForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}


@sync_and_async_middleware
def too_many_requests(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware: a page that refuses a try says so in its status, too."""

    def with_status(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if (seconds := request.META.get("retry_after")) is not None:
            response.status_code = 429
            response.headers["Retry-After"] = str(seconds)
        return response

    if iscoroutinefunction(get_response):

        async def respond_async(request: HttpRequest) -> HttpResponseBase:
            return with_status(request, await get_response(request))

        return respond_async

    def respond(request: HttpRequest) -> HttpResponseBase:
        return with_status(request, get_response(request))

    return respond
