"""The full-text index of messages, folded (`folding.py`): migration 0007 creates it.

On PostgreSQL it is a GIN index, kept by the database. On SQLite it is an FTS5 table of trigrams. SQLite itself cannot
fold, so the index is extended when someone searches: by the messages of theirs that are not in it yet. Triggers remove
what is changed or deleted at once. Other databases, and a SQLite that was built without trigrams, have none:
`agentchat.search.query` reads the visitor's own messages there.
"""

import time
from typing import TYPE_CHECKING, Any

from django.db import OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from agentchat.core.log import get_logger
from agentchat.search.folding import fold

if TYPE_CHECKING:
    from agentchat.models import Event

logger = get_logger("agentchat.search")

MAX_CHARS = 100_000  # of a message, from its beginning; text after them is not found
MAX_SECONDS = 3.0  # that a search spends on extending SQLite's index: some 20,000 messages
BATCH_SIZE = 500  # messages

TABLE = "agentchat_search"
TEXTS = "agentchat_search_text"  # the folded texts, by the events' keys; SQLite only
MESSAGE_TYPE = "TEXT_MESSAGE_END"

# As in the migration, which must not change; a test compares them.
_ON_EVENTS = {
    f"{TABLE}_update": f"""CREATE TRIGGER {TABLE}_update AFTER UPDATE OF payload ON agentchat_event
        WHEN new.type = '{MESSAGE_TYPE}' BEGIN DELETE FROM {TEXTS} WHERE id = old.id; END""",
    f"{TABLE}_delete": f"""CREATE TRIGGER {TABLE}_delete AFTER DELETE ON agentchat_event
        WHEN old.type = '{MESSAGE_TYPE}' BEGIN DELETE FROM {TEXTS} WHERE id = old.id; END""",
}
_SQLITE_OBJECTS = {TABLE, TEXTS, f"{TEXTS}_insert", f"{TEXTS}_delete", *_ON_EVENTS}


def repair(connection: BaseDatabaseWrapper) -> None:
    """Restore the triggers that a migration removed: Django alters SQLite's tables by creating them again.

    The index starts over: no trigger has told it what was changed meanwhile.
    """
    if (
        connection.vendor == "sqlite"
        and TEXTS in (existing := _sqlite_objects(connection))
        and not existing.issuperset(_ON_EVENTS)
    ):
        with connection.cursor() as cursor:
            for name, statement in _ON_EVENTS.items():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
                cursor.execute(statement)
            cursor.execute(f"DELETE FROM {TEXTS}")


def is_available(connection: BaseDatabaseWrapper) -> bool:
    """Whether the index can be queried. On PostgreSQL, its queries are correct without it as well, only slower."""
    if connection.vendor == "sqlite":
        return _sqlite_objects(connection) == _SQLITE_OBJECTS
    return connection.vendor == "postgresql"


def extend(messages: "QuerySet[Event]") -> bool:
    """Add those of the messages that are not in SQLite's index yet. Return whether all are there now.

    May write for MAX_SECONDS. Not all are there if that was not enough, or if nothing could be written.
    """
    connection = connections[messages.db]
    if connection.vendor != "sqlite":
        return True
    missing = (
        messages.exclude(pk__in=RawSQL(f"SELECT id FROM {TEXTS}", [])).order_by("-pk").values_list("pk", "payload")
    )
    deadline = time.monotonic() + MAX_SECONDS
    while found := [(fold(_content(payload))[:MAX_CHARS], pk) for pk, payload in missing[:BATCH_SIZE]]:
        try:
            with transaction.atomic(using=messages.db), connection.cursor() as cursor:
                # Selected again, in case it was deleted a moment ago.
                add = f"INSERT OR IGNORE INTO {TEXTS} (id, content) SELECT id, %s FROM agentchat_event WHERE id = %s"
                cursor.executemany(add, found)
        except OperationalError as error:
            logger.warning("the search index could not be extended; searching without it: %s", error)
            return False
        if len(found) < BATCH_SIZE:
            break
        if time.monotonic() > deadline:
            return False
    return True


def _content(payload: Any) -> str:
    """Of a message that cannot be read, nothing is found."""
    content = payload.get("content") if isinstance(payload, dict) else None
    return content[:MAX_CHARS] if isinstance(content, str) else ""


def _sqlite_objects(connection: BaseDatabaseWrapper) -> set[str]:
    names = tuple(_SQLITE_OBJECTS)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT name FROM sqlite_master WHERE name IN ({', '.join(['%s'] * len(names))})", names)
        return {name for (name,) in cursor.fetchall()}
