"""Who may answer a question, if it is not the owner of the chat: `to=` of questions and of tools.

An addressee is a value: it is stored with the question, and any process judges by it whether somebody may answer, at
the moment when they do. It is checked here, where it is written; who that is today is `agentchat.actions.colleagues`'
responsibility.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any, Literal

from agentchat.errors import ConfigError
from agentchat.events import Visibility

AddresseeKind = Literal["owner", "staff", "permission", "group", "user", "function"]

MAX_CHARS = 200

_DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


@dataclass(frozen=True, kw_only=True)
class Addressee:
    """`value` is what a kind needs: a permission, the name of a group, a user's key, or the path of a function."""

    kind: AddresseeKind
    value: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.value}".strip()


def staff() -> Addressee:
    """Whoever may enter the admin site."""
    return Addressee(kind="staff")


def owner() -> Addressee:
    """The owner of the chat, as without `to=`: for `outcome_unknown_to=`."""
    return Addressee(kind="owner")


def group(name: str) -> Addressee:
    """The members of a group of Django's."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_CHARS:
        raise ConfigError(f"group({name!r}): use the name of a group")
    return Addressee(kind="group", value=name)


def _accept(permission: str) -> None:
    """Without Django there are no permissions to compare with."""


check_permission: Callable[[str], None] = _accept
"""Raise ConfigError for a permission that nobody can have. A seam: the Django app replaces this function."""


def addressee_of(to: Any) -> Addressee:
    """The addressee that `to=` means.

    A permission ("shop.refund_order"), `group("support")`, a user, `staff()`, or the path of a function
    `(user, question) -> bool` in a module of a package ("shop.people.may_refund"). Raise ConfigError for anything else.
    """
    match to:
        case Addressee():
            return to
        case str() if _DOTTED.fullmatch(to) and len(to) <= MAX_CHARS:
            if to.count(".") == 1:
                check_permission(to)
                return Addressee(kind="permission", value=to)
            function_at(to)
            return Addressee(kind="function", value=to)
    if callable(to):
        raise ConfigError(
            f"to={to!r}: an answer is judged in another process, which has no lambdas and local functions of this one. "
            f'Give the path of a function (user, question) -> bool, as in to="shop.people.may_refund"'
        )
    if getattr(to, "pk", None) is not None and hasattr(to, "get_username"):
        return Addressee(kind="user", value=str(to.pk))
    raise ConfigError(
        f'to={to!r}: use a permission such as "shop.refund_order", group("support"), a user, staff(), or the path of a '
        f'function such as "shop.people.may_refund"'
    )


def function_at(path: str) -> Callable[[Any, Any], Any]:
    """The function `(user, question) -> bool` at a path. Raise ConfigError if there is none."""
    module, _, name = path.rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"to={path!r}: there is no such function ({error})") from error
    if not callable(found):
        raise ConfigError(f"to={path!r} is no function, but {found!r:.100}")
    function: Callable[[Any, Any], Any] = found
    return function


@dataclass(frozen=True, kw_only=True)
class Delegation:
    """A question is for somebody else than the owner of the chat, who is only told that a colleague decides.

    `shown`: the owner sees what is asked. After `escalate_after` it is for `escalate_to` instead.
    """

    to: Addressee
    shown: bool = False
    escalate_after: timedelta | None = None
    escalate_to: Addressee | None = None

    @property
    def visible(self) -> Visibility | None:
        """What users see of it, where nothing else is said; None: as the site says of tools."""
        return None if self.shown else "name"


def delegation_of(to: Any, *, shown: bool = False, escalate: tuple[timedelta, Any] | None = None) -> Delegation | None:
    """What `to=`, `shown=` and `escalate=(after, to)` mean; None: the user is asked. Raise ConfigError."""
    if to is None or to == owner():
        if shown or escalate is not None:
            raise ConfigError("shown= and escalate= are for questions to somebody else: they need to=")
        return None
    if escalate is None:
        return Delegation(to=addressee_of(to), shown=shown)
    match escalate:
        case (timedelta() as after, later) if after > timedelta() and later != owner():
            return Delegation(to=addressee_of(to), shown=shown, escalate_after=after, escalate_to=addressee_of(later))
    raise ConfigError(f"escalate={escalate!r}: use a time and an addressee, as in (timedelta(hours=2), group('leads'))")


def editable_names(editable: bool | Iterable[str] | None) -> tuple[str, ...] | None:
    """The arguments that may be changed when a call is approved; None: what is usual. Raise ConfigError.

    `editable` is False for none, or their names.
    """
    if editable is None:
        return None
    if editable is False:
        return ()
    if isinstance(editable, Iterable) and not isinstance(editable, str):
        names = tuple(editable)
        if all(isinstance(name, str) for name in names):
            return names
    raise ConfigError(f"editable={editable!r}: use False, or the names of the arguments that may be changed")
