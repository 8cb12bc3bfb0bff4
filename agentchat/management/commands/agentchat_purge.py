"""`manage.py agentchat_purge --older-than 30d`: delete old chat sessions permanently, with everything in them.

Made for a timer: docs/deploying.md has one. What a live run still needs is kept, unless --force is given. Rows are
deleted in batches, each a short transaction, so users can chat meanwhile.
"""

import re
import time
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from django.db.models import Exists, Model, OuterRef, QuerySet

from agentchat.actions.chats import BATCH_SIZE, RESTORABLE
from agentchat.actions.chats import delete_permanently as _delete
from agentchat.actions.rate_limits import forget_empty
from agentchat.files import removal
from agentchat.infra import moments
from agentchat.infra.database import is_lock_timeout
from agentchat.models import ChatSession, Event, Feedback, InboxItem, Run, Share, Step, StepRequest, StoredFile

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

Chats = QuerySet[ChatSession]


class Command(BaseCommand):
    help = (
        "Delete inactive chat sessions for good, with their runs, steps and events. A chat "
        "session with a live run (queued, running, or waiting for the user) is kept, unless --force is given."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than",
            type=_age,
            metavar="AGE",
            help="time since the last change: a whole number and its unit (s, m, h, d or w), such as 30d for 30 days. "
            f"With --deleted it defaults to {RESTORABLE.days}d, as long as a deleted chat can be restored",
        )
        parser.add_argument("--guests-only", action="store_true", help="only those of users without an account")
        parser.add_argument(
            "--deleted", action="store_true", help="only those deleted by their owners; AGE is the time since then"
        )
        parser.add_argument(
            "--force", action="store_true", help="also those with a live run; a run in progress is cancelled"
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="only show what would be deleted; with --verbosity 2, list each chat session's ID too",
        )

    def handle(
        self,
        *args: Any,
        older_than: timedelta | None,
        guests_only: bool,
        deleted: bool,
        force: bool,
        dry_run: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        if older_than is None:
            if not deleted:
                raise CommandError("say how old, for example --older-than 30d")
            older_than = RESTORABLE
        try:
            before = moments.now() - older_than
        except OverflowError:
            raise CommandError(f"{older_than.days} days is too long ago") from None
        old = _old(before, guests_only=guests_only, deleted=deleted)
        chosen = old if force else old.exclude(_has_live_run())
        if dry_run and verbosity >= 2:
            for pk in chosen.order_by("pk").values_list("pk", flat=True).iterator():
                self.stdout.write(str(pk))
        counts, locked = (_count(chosen), 0) if dry_run else _purge(chosen)
        if not dry_run:
            forget_empty()
            removal.remove(removal.removable())
        if verbosity >= 1:
            which = f"{'deleted' if deleted else 'last changed'} before {before.isoformat(timespec='seconds')}"
            of_whom = ", of guests" if guests_only else ""
            delete, keep = ("Would delete", "Would keep") if dry_run else ("Deleted", "Kept")
            self.stdout.write(f"{delete} {_in_words(counts)} ({which}{of_whom}).")
            if locked:
                self.stdout.write(f"Kept {_amount(ChatSession, locked)} locked by another transaction: try again.")
            if not force and (kept := old.filter(_has_live_run()).count()):
                self.stdout.write(
                    f"{keep} {_amount(ChatSession, kept)} with a live run: use --force to delete those too."
                )


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"([0-9]+)([smhdw])", text)
    if found is None or not int(found[1]):
        raise ArgumentTypeError(
            f"{text!r} is not an age: use a whole number, 1 or more, and s, m, h, d or w, such as 30d"
        )
    try:
        return timedelta(**{UNITS[found[2]]: int(found[1])})
    except OverflowError:
        raise ArgumentTypeError(f"{text!r} is too long ago") from None


# --- which ----------------------------------------------------------------------------------------------------------


def _old(before: datetime, *, guests_only: bool, deleted: bool) -> Chats:
    chats = ChatSession.objects.filter(**{"deleted_at__lt" if deleted else "updated_at__lt": before})
    return chats.filter(owner=None) if guests_only else chats


def _has_live_run() -> Exists:
    return Exists(Run.objects.filter(session=OuterRef("pk"), status__in=Run.LIVE))


# --- deleting -------------------------------------------------------------------------------------------------------


def _purge(chats: Chats) -> tuple[Counter[type[Model]], int]:
    """Delete them. Return how many rows of each table were deleted, and how many chat sessions are locked."""
    deleted: Counter[type[Model]] = Counter()
    locked = 0
    for keys in _batches(chats):
        began = time.monotonic()
        deleted_now, locked_now = _delete_unlocked(chats, keys)
        deleted, locked = deleted + deleted_now, locked + locked_now
        # Half of the time is left to others: on SQLite, a writer that waits retries only now and then.
        time.sleep(time.monotonic() - began)
    return deleted, locked


def _delete_unlocked(chats: Chats, keys: list[UUID]) -> tuple[Counter[type[Model]], int]:
    try:
        return _delete(chats, keys), 0
    except OperationalError as error:
        if not is_lock_timeout(error):
            raise
    if len(keys) == 1:
        return Counter(), 1
    parts = [_delete_unlocked(chats, [key]) for key in keys]
    return sum((deleted for deleted, _ in parts), Counter()), sum(locked for _, locked in parts)


def _batches(chats: Chats) -> Iterator[list[UUID]]:
    last = UUID(int=0)
    while keys := list(chats.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH_SIZE]):
        yield keys
        last = keys[-1]


# --- output ---------------------------------------------------------------------------------------------------------


def _count(chats: Chats) -> Counter[type[Model]]:
    counts: Counter[type[Model]] = Counter({ChatSession: chats.count()})
    for model in (Run, Step, StepRequest, InboxItem, Event, Share, Feedback, StoredFile):
        lookup = "run__session" if model in (Step, StepRequest) else "session"
        counts[model] = model._default_manager.filter(**{f"{lookup}__in": chats.values("pk")}).count()
    return counts


def _in_words(counts: Counter[type[Model]]) -> str:
    chats = _amount(ChatSession, counts[ChatSession])
    rest = [_amount(model, count) for model, count in counts.items() if count and model is not ChatSession]
    return f"{chats} with {', '.join(sorted(rest, key=_noun))}" if rest else chats


def _amount(model: type[Model], count: int) -> str:
    return f"{count} {model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural}"


def _noun(amount: str) -> str:
    return amount.partition(" ")[2]
