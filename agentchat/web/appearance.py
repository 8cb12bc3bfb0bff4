"""The user's choice of appearance: light or dark, and whether the sidebar is collapsed.

Stored in cookies, for guests too. Nothing but appearance depends on them; a script sets the sidebar's itself.
"""

from typing import Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from agentchat.csp import strict_policy

Appearance = Literal["light", "dark", ""]

APPEARANCE_COOKIE = "agentchat_appearance"
SIDEBAR_COOKIE = "agentchat_sidebar"  # collapse.js has it too
COOKIE_AGE_SECONDS = 365 * 24 * 60 * 60


def appearance_of(request: HttpRequest | None) -> Appearance:
    """The choice; empty: the device's."""
    return _appearance(request.COOKIES.get(APPEARANCE_COOKIE, "")) if request else ""


def is_sidebar_folded(request: HttpRequest | None) -> bool:
    return request is not None and request.COOKIES.get(SIDEBAR_COOKIE) == "folded"


@require_POST
@strict_policy
def set_appearance(request: HttpRequest) -> HttpResponseBase:
    """Store the choice, and redirect to the page where it was made (`next`). Anything else means the device's."""
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    response = HttpResponseRedirect(wanted if is_ours else reverse("agentchat:index"))
    appearance = _appearance(request.POST.get("appearance", ""))
    if appearance:
        response.set_cookie(
            APPEARANCE_COOKIE,
            appearance,
            max_age=COOKIE_AGE_SECONDS,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    else:
        response.delete_cookie(APPEARANCE_COOKIE, samesite="Lax")
    return response


def _appearance(text: str) -> Appearance:
    match text:
        case "light" | "dark":
            return text
        case _:
            return ""
