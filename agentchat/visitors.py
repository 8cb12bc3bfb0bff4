"""Visitors: a signed-in user, or a guest identified by a key in the browser's session.

Both HTTP requests and websockets have a `Visitor`, whose chats are `ChatSession.objects.of(visitor)`. A guest gets a
key with the first chat session, so crawlers leave nothing behind; the guest's chats move to the account at sign-in
(`agentchat.web.receivers`). The session has the key; everywhere else is its digest, since it is only ever compared.

A websocket's visitor is found by the session cookie in one or two queries, and again every few seconds for all open
sockets together: signing out or losing the account closes open sockets too.
"""

import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, parse_cookie
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext

from agentchat import conf
from agentchat.infra.addresses import address_of_meta

GUEST_KEY = "agentchat_guest"
_DIGEST_PREFIX = "sha224:"


def name_of(user: Any) -> str:
    """What people call a user: the full name, if the user model and the user have one."""
    full_name = getattr(user, "get_full_name", str)
    return str(full_name() or "").strip() or str(user.get_username())


def guest_digest(key: str) -> str:
    """What is stored of a guest's key. No salt: a key is random, so there is nothing to guess it from."""
    return _DIGEST_PREFIX + hashlib.sha224(key.encode()).hexdigest() if key else ""


def store_digests(sessions: QuerySet[Any]) -> None:
    """Replace the keys of guests in these chat sessions by their digests, where an earlier version has stored them."""
    plain = sessions.exclude(guest_key="").exclude(guest_key__startswith=_DIGEST_PREFIX)
    for key in list(plain.order_by().values_list("guest_key", flat=True).distinct()):
        plain.filter(guest_key=key).update(guest_key=guest_digest(key))


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """`user` is None for a guest; a guest without a `guest_key` owns nothing yet. `guest_key` is the key's digest.

    `address` is where this request comes from (`infra/addresses.py`); the same visitor has several.
    """

    user: Any = None
    guest_key: str = ""
    address: str = field(default="", compare=False)

    @property
    def may_chat(self) -> bool:
        return self.user is not None or conf.app.guests

    @property
    def name(self) -> str:
        """The name that is shown to others."""
        return name_of(self.user) if self.user is not None else gettext("Guest")

    @property
    def may_see_usage(self) -> bool:
        """Whether they may see the tokens and the cost of their chats."""
        return {"all": True, "none": False, "staff": self.may_see_details}[conf.app.show_usage]

    @property
    def may_see_details(self) -> bool:
        """Whether they may see why a run failed in the words of the model's service, and all of tool calls: staff."""
        return bool(getattr(self.user, "is_staff", False))  # a project's own users need not have it

    @property
    def owned_columns(self) -> dict[str, Any] | None:
        """The columns by which a stored chat session is theirs, as `ChatSession.objects.of`; None: they own nothing."""
        if self.user is not None:
            return {"owner_id": self.user.pk}
        return {"owner_id": None, "guest_key": self.guest_key} if self.guest_key else None

    @property
    def owner_fields(self) -> dict[str, Any]:
        """The fields of a new chat session that make it theirs."""
        return {"owner": self.user} if self.user is not None else {"guest_key": self.guest_key}


NO_VISITOR = Visitor()


def _visitor(user: Any, session: Mapping[str, Any]) -> Visitor:
    if user is not None and user.is_authenticated and getattr(user, "is_active", True):
        return Visitor(user=user)
    return Visitor(guest_key=guest_digest(session.get(GUEST_KEY, "")) if conf.app.guests else "")


# --- HTTP -----------------------------------------------------------------------------------------------------------


def visitor_of_request(request: HttpRequest) -> Visitor:
    return replace(_visitor(request.user, request.session), address=address_of_meta(request.META))


def remember_guest(request: HttpRequest, form_id: UUID) -> Visitor:
    """The visitor of this request; a guest who has no key yet gets one.

    When a form is sent twice at once, by a second click, neither request knows of the other's key: for the same form of
    the same browser it is the same one.
    """
    visitor = visitor_of_request(request)
    if visitor.user is not None or visitor.guest_key:
        return visitor
    browser = request.META.get("CSRF_COOKIE") or secrets.token_hex(32)  # secret, as the form's id is
    key = salted_hmac("agentchat.guest", f"{browser} {form_id}", algorithm="sha256").hexdigest()
    request.session[GUEST_KEY] = key
    return replace(visitor, guest_key=guest_digest(key))


# --- websockets -----------------------------------------------------------------------------------------------------


def session_key_of(scope: Mapping[str, Any]) -> str:
    """The key of the browser's session, from the cookie of a websocket's handshake; "" if there is none."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            return parse_cookie(value.decode("latin1")).get(settings.SESSION_COOKIE_NAME, "")
    return ""


def visitors_of(session_keys: Collection[str]) -> dict[str, Visitor]:
    """The visitors of these sessions now; NO_VISITOR for ended ones. Queries the database: not on the event loop."""
    sessions = _load_sessions({key for key in session_keys if key})
    ids = {key: data[SESSION_KEY] for key, data in sessions.items() if SESSION_KEY in data}
    users = {str(user.pk): user for user in get_user_model()._default_manager.filter(pk__in=set(ids.values()))}
    found = dict.fromkeys(session_keys, NO_VISITOR)
    for key, data in sessions.items():
        user = users.get(ids.get(key, ""))
        if user is not None and not _is_fresh(user, data):
            user = None
        # A session of an account that is signed out does not become a guest's.
        found[key] = NO_VISITOR if user is None and key in ids else _visitor(user, data)
    return found


def _is_fresh(user: Any, session: Mapping[str, Any]) -> bool:
    """Whether the session was opened with the user's current password."""
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
