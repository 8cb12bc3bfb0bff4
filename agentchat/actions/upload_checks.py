"""UPLOAD_CHECK: the site's own scanner is asked about each upload, and may take its time.

It is called with the file, in one of two threads of this process, and returns None if nothing is wrong with it, a
sentence for the user if it is refused, or a timedelta after which it wants to be asked again: a scanner that works
elsewhere holds no thread meanwhile. If it raises, it is asked again a minute later, and so is one whose process died.
Then the messages that were held for the file are sent.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connections
from django.utils.module_loading import import_string

from agentchat import conf
from agentchat.actions.attachments import HELD_LOOK, give_back
from agentchat.actions.messages import send_held
from agentchat.core.log import get_logger
from agentchat.errors import Rejected
from agentchat.files import storage
from agentchat.infra import moments
from agentchat.infra.database import close_connections
from agentchat.infra.thread_pool import DaemonPool
from agentchat.models import ChatSession, OutboxItem, StoredFile
from agentchat.visitors import Visitor

logger = get_logger("agentchat.files")

LEASE = timedelta(seconds=60)
RENEW_SECONDS = 20.0
RETRY = timedelta(seconds=60)
THREADS = 2

_POOL = DaemonPool("agentchat-upload-check", lambda: THREADS, at_end=connections.close_all)


class Checker:
    """Asks about the uploads that are due. One for each process, for its supervisor: never waits."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: set[UUID] = set()
        self._lock = threading.Lock()
        self._renewed_at = clock()

    def check_due(self) -> None:
        if conf.app.upload_check is None:
            return
        self._renew()
        while len(self._asked) < THREADS and (file := _take()) is not None:
            with self._lock:
                self._asked.add(file.pk)
            _POOL.submit(self._ask, file)
        for item in OutboxItem.objects.filter(kind=OutboxItem.Kind.UPLOAD, error="", due_at__lt=moments.now())[:20]:
            OutboxItem.objects.filter(pk=item.pk).update(due_at=moments.now() + HELD_LOOK)
            _send(item)

    def _renew(self) -> None:
        if self._clock() - self._renewed_at < RENEW_SECONDS:
            return
        self._renewed_at = self._clock()
        with self._lock:
            asked = list(self._asked)
        if asked:
            StoredFile.objects.filter(pk__in=asked, state=StoredFile.State.CHECKING).update(
                check_at=moments.now() + LEASE
            )

    def _ask(self, file: StoredFile) -> None:
        try:
            check(file)
        except Exception:
            logger.exception("upload %s could not be checked: UPLOAD_CHECK is asked again in a minute", file.pk)
            StoredFile.objects.filter(pk=file.pk, state=StoredFile.State.CHECKING).update(
                check_at=moments.now() + RETRY
            )
        finally:
            with self._lock:
                self._asked.discard(file.pk)
            close_connections()


def check(file: StoredFile) -> None:
    """Ask UPLOAD_CHECK about a file, and store what it says. Raise what it raises."""
    found: Any = import_string(conf.app.upload_check or "")(file)
    waiting = StoredFile.objects.filter(pk=file.pk, state=StoredFile.State.CHECKING)
    if isinstance(found, timedelta):
        waiting.update(check_at=moments.now() + found)
        return
    if found is not None and not isinstance(found, str):
        raise TypeError(f"UPLOAD_CHECK returned {found!r:.200}: use None, a sentence for the user, or a timedelta")
    if found is None:
        waiting.update(state=StoredFile.State.READY, check_at=None)
    else:
        logger.info("upload %s is refused by UPLOAD_CHECK", file.pk)
        waiting.update(state=StoredFile.State.REFUSED, check_at=None, refusal=found[:500])
        storage.delete_folder(file.pk, [file.storage_name, file.thumbnail_name])
    send_messages_with(file)


def send_messages_with(file: StoredFile) -> None:
    """Send the messages that were held for this file, if they wait for no other one."""
    session_id = StoredFile.objects.filter(pk=file.pk).values_list("session_id", flat=True).first()
    for item in OutboxItem.objects.filter(session=session_id, kind=OutboxItem.Kind.UPLOAD, error="").order_by("pk"):
        if str(file.pk) in item.value["files"]:
            _send(item)


def _send(item: OutboxItem) -> None:
    states = set(StoredFile.objects.filter(pk__in=item.value["files"]).values_list("state", flat=True))
    if StoredFile.State.CHECKING in states:
        return
    session = ChatSession.objects.select_related("owner").get(pk=item.session_id)
    author = Visitor(user=session.owner, guest_key=session.guest_key)
    files = [UUID(each) for each in item.value["files"]]
    try:
        send_held(session.pk, author, client_id=item.key, text=item.value["text"], files=files)
    except Rejected as error:
        if error.reason == "unavailable":
            return  # it is looked at again
        logger.info("message %s of chat session %s is not sent: %s", item.key, session.pk, error.reason)
        OutboxItem.objects.filter(pk=item.pk).update(error=error.reason)
        give_back(item)


def _take() -> StoredFile | None:
    """The next upload that is due, which no other process asks about meanwhile."""
    while (file := StoredFile.objects.filter(check_at__lte=moments.now()).order_by("check_at").first()) is not None:
        unchanged = StoredFile.objects.filter(pk=file.pk, state=StoredFile.State.CHECKING, check_at=file.check_at)
        if unchanged.update(check_at=moments.now() + LEASE):
            return file
    return None
