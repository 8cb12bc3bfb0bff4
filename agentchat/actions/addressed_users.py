"""Which users an addressee means: all of them, where they can be listed.

`colleagues.py` judges one user, at the moment when they answer. Here are those whom a question is announced to: for
what a site's function decides, nobody can be listed.
"""

from typing import Any

from django.contrib.auth import get_backends, get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Q, QuerySet

from agentchat.actions.staff_access import may_see
from agentchat.models import DelegatedQuestion


def can_be_listed(kind: str) -> bool:
    """Whether `users_of` knows all whom addressees of this kind mean."""
    if kind == "permission":
        judging = [backend for backend in get_backends() if hasattr(backend, "has_perm")]
        return all(hasattr(backend, "with_perm") for backend in judging)
    return kind != "function"


def users_of(kind: str, value: str) -> QuerySet[Any]:
    """The active users whom this addressee means now; none for a function."""
    users = get_user_model()._default_manager.all()
    match kind:
        case "permission":
            found = users.filter(pk__in=_with_permission(value))
        case "group" if _has_field("groups"):
            found = users.filter(groups__name=value)
        case "staff" if _has_field("is_staff"):
            found = users.filter(is_staff=True)
        case "user":
            found = users.filter(pk=value)
        case _:
            return users.none()
    return found.filter(is_active=True) if _has_field("is_active") else found


def users_for(question: DelegatedQuestion) -> list[Any]:
    """Those who may answer this question now, as far as they can be listed."""
    return [user for user in users_of(question.to_kind, question.to_value) if may_see(user, question.session)]


def _with_permission(permission: str) -> set[Any]:
    condition = Q(pk__in=())
    for backend in get_backends():
        if hasattr(backend, "with_perm") and _has_field("user_permissions"):
            condition |= Q(pk__in=backend.with_perm(permission).values("pk"))
    return set(get_user_model()._default_manager.filter(condition).values_list("pk", flat=True))


def _has_field(name: str) -> bool:
    """A project's own users need not have what Django's have."""
    try:
        get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True
