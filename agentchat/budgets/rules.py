"""The budgets and the pauses that hold now: those of the settings, and those in admin's tables.

The supervisor reads the tables at each of its heartbeats, and the process keeps what it has read: no turn asks for
them. Where no supervisor is at work, whoever needs them reads them when they are older than a few seconds. What is
edited in this process holds at once, in others within a second or two.
"""

import threading
import time
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save

from agentchat import conf
from agentchat.core.budget_rules import BudgetRule
from agentchat.models import Pause, UsageBudget

STALE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """What is in the tables. `paused` has the sentences by agent function, "" for the site."""

    rules: tuple[BudgetRule, ...]
    paused: dict[str, str]
    read_at: float


class _Cache:
    """`edits` counts what was edited here: what was read before an edit is not kept after it."""

    stored: _Stored | None = None
    edits = 0


_cache = _Cache()
_lock = threading.Lock()


def budgets() -> tuple[BudgetRule, ...]:
    return conf.app.budgets + _known().rules


def known_budgets() -> tuple[BudgetRule, ...]:
    """The same without a query: those in the tables, as far as this process has read them."""
    return conf.app.budgets + (_cache.stored.rules if _cache.stored is not None else ())


def pause_of(agent: str) -> str | None:
    """The sentence for people if the site, or this agent function, is paused; None: it is not. It may be empty."""
    return _pause_in(_known().paused, agent)


def known_pause_of(agent: str) -> str | None:
    """The same without a query, as far as this process has read the tables."""
    return _pause_in(_cache.stored.paused if _cache.stored is not None else {}, agent)


def _pause_in(paused: dict[str, str], agent: str) -> str | None:
    return paused.get("", paused.get(agent))


def refresh() -> None:
    """Read the tables. For the supervisor."""
    _read()


def forget() -> None:
    """Read the tables again when they are needed next."""
    with _lock:
        _cache.edits += 1
        _cache.stored = None


def _on_edit(using: str | None = None, **kwargs: Any) -> None:
    """Within the transaction that edits them; and again when the others can read what it has written."""
    forget()
    transaction.on_commit(forget, using=using)


def _known() -> _Stored:
    stored = _cache.stored
    return _read() if stored is None or time.monotonic() - stored.read_at > STALE_SECONDS else stored


def _read() -> _Stored:
    edits, read_at = _cache.edits, time.monotonic()
    rules = tuple(row.rule for row in UsageBudget.objects.filter(is_active=True).order_by("pk"))
    paused = dict(Pause.objects.values_list("agent", "sentence"))
    stored = _Stored(rules=rules, paused=paused, read_at=read_at)
    with _lock:
        if _cache.edits == edits:
            _cache.stored = stored
    return stored


for _model in (UsageBudget, Pause):
    post_save.connect(_on_edit, sender=_model, dispatch_uid=f"agentchat_budgets_{_model.__name__}")
    post_delete.connect(_on_edit, sender=_model, dispatch_uid=f"agentchat_budgets_{_model.__name__}")
