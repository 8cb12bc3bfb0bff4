"""Who looks: a signed-in user, or a guest known by a key in the browser's session.

Views and consumers ask the same question in two worlds, an HTTP request and a websocket; the answer is a `Visitor`, and
what is theirs is `ChatSession.objects.of(visitor)`. A guest's key is made with their first chat session, so that a
crawler leaves nothing behind, and what is theirs moves to the account at sign-in (`agentchat.signals`).

A websocket's visitor is found from the session cookie in one or two queries, and again every few seconds for all open
sockets together: whoever signs out or loses the account is out of an open socket too.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.http import HttpRequest, parse_cookie
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext

from agentchat import conf

GUEST_KEY = "agentchat_guest"


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """`user` is None for a guest; a guest without a `guest_key` owns nothing yet."""

    user: Any = None
    guest_key: str = ""

    @property
    def may_chat(self) -> bool:
        return self.user is not None or conf.app.guests

    @property
    def name(self) -> str:
        """What others call them."""
        return self.user.get_username() if self.user is not None else gettext("Guest")

    @property
    def may_see_usage(self) -> bool:
        """Whether the tokens and the cost of their chats are for their eyes."""
        is_staff = self.user is not None and self.user.is_staff
        return {"all": True, "none": False, "staff": is_staff}[conf.app.show_usage]

    @property
    def owner_fields(self) -> dict[str, Any]:
        """The fields that make a new chat session theirs."""
        return {"owner": self.user} if self.user is not None else {"guest_key": self.guest_key}


NOBODY = Visitor()


def _visitor(user: Any, session: Mapping[str, Any]) -> Visitor:
    if user is not None and user.is_authenticated and user.is_active:
        return Visitor(user=user)
    return Visitor(guest_key=session.get(GUEST_KEY, "") if conf.app.guests else "")


# --- HTTP -----------------------------------------------------------------------------------------------------------


def visitor_of_request(request: HttpRequest) -> Visitor:
    return _visitor(request.user, request.session)


def remember_guest(request: HttpRequest) -> Visitor:
    """The visitor of this request; a guest who has no key yet gets one."""
    visitor = visitor_of_request(request)
    if visitor.user is not None or visitor.guest_key:
        return visitor
    request.session[GUEST_KEY] = secrets.token_urlsafe(24)
    return Visitor(guest_key=request.session[GUEST_KEY])


# --- websockets -----------------------------------------------------------------------------------------------------


def session_key_of(scope: Mapping[str, Any]) -> str:
    """The key of the browser's session, from the cookie of a websocket's handshake; "" if there is none."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            return parse_cookie(value.decode("latin1")).get(settings.SESSION_COOKIE_NAME, "")
    return ""


def visitors_of(session_keys: Collection[str]) -> dict[str, Visitor]:
    """Who stands behind these sessions now; NOBODY where the session has ended. Asks the database: not on the loop."""
    sessions = _load_sessions({key for key in session_keys if key})
    ids = {key: data[SESSION_KEY] for key, data in sessions.items() if SESSION_KEY in data}
    users = {str(user.pk): user for user in get_user_model()._default_manager.filter(pk__in=set(ids.values()))}
    found = dict.fromkeys(session_keys, NOBODY)
    for key, data in sessions.items():
        user = users.get(ids.get(key, ""))
        if user is not None and not _is_fresh(user, data):
            user = None
        # Whoever was signed in and is no longer, is not a guest instead.
        found[key] = NOBODY if user is None and key in ids else _visitor(user, data)
    return found


def _is_fresh(user: Any, session: Mapping[str, Any]) -> bool:
    """Whether the session was opened with the user's present password."""
    hashed = session.get(HASH_SESSION_KEY, "")
    return any(
        constant_time_compare(hashed, known)
        for known in (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    )


def _load_sessions(keys: Collection[str]) -> dict[str, Mapping[str, Any]]:
    engine = import_module(settings.SESSION_ENGINE)
    store = engine.SessionStore
    if engine.__name__ != "django.contrib.sessions.backends.db":
        return {key: data for key in keys if (data := store(key).load())}
    rows = store.get_model_class()._default_manager.filter(session_key__in=keys, expire_date__gt=timezone.now())
    return {row.session_key: store().decode(row.session_data) for row in rows}
