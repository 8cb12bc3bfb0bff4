"""The index by which chats are searched: made of the messages that are stored anyway, and kept by the database itself.

On SQLite it is an FTS5 table of trigrams beside the events, which triggers keep; it holds no text of its own. On
PostgreSQL it is a GIN index. Elsewhere, and with a SQLite that was built without trigrams, there is none: searching
reads the visitor's own messages then. What is asked of the index is `agentchat.search`'s affair.
"""

import sqlite3
from functools import lru_cache
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

MAX_CHARS = 100_000  # of a message, from its beginning; what is beyond is not found

TABLE = "agentchat_search"
TRIGGERS = (f"{TABLE}_insert", f"{TABLE}_update", f"{TABLE}_delete")

_TYPE = "TEXT_MESSAGE_END"
_TEXT = f"substr(json_extract({{}}payload, '$.content'), 1, {MAX_CHARS})"
_ADD = f"INSERT INTO {TABLE} (rowid, content) VALUES (new.id, {_TEXT.format('new.')});"
_TAKE_AWAY = f"INSERT INTO {TABLE} ({TABLE}, rowid, content) VALUES ('delete', old.id, {_TEXT.format('old.')});"

# Without content: the text is in the events. No view either, which would be in the way when their table is altered.
_SQLITE_TABLE = f"CREATE VIRTUAL TABLE {TABLE} USING fts5(content, content='', tokenize='trigram')"
_SQLITE_TRIGGERS = (
    f"""CREATE TRIGGER {TABLE}_insert AFTER INSERT ON agentchat_event
        WHEN new.type = '{_TYPE}' BEGIN {_ADD} END""",
    f"""CREATE TRIGGER {TABLE}_update AFTER UPDATE OF payload ON agentchat_event
        WHEN new.type = '{_TYPE}' BEGIN {_TAKE_AWAY} {_ADD} END""",
    f"""CREATE TRIGGER {TABLE}_delete AFTER DELETE ON agentchat_event
        WHEN old.type = '{_TYPE}' BEGIN {_TAKE_AWAY} END""",
)
_SQLITE_FILL = (
    f"INSERT INTO {TABLE} ({TABLE}) VALUES ('delete-all')",
    f"INSERT INTO {TABLE} (rowid, content) SELECT id, {_TEXT.format('')} FROM agentchat_event WHERE type = '{_TYPE}'",
)

# As the index has them, without parameters: a query must say the same for the index to be used.
POSTGRESQL_WORDS = f"to_tsvector('simple', left({{payload}} ->> 'content', {MAX_CHARS}))"
POSTGRESQL_IS_MESSAGE = f"{{type}} = '{_TYPE}'"

_POSTGRESQL = (
    f"CREATE INDEX {TABLE} ON agentchat_event USING gin (({POSTGRESQL_WORDS.format(payload='payload')})) "
    f"WHERE {POSTGRESQL_IS_MESSAGE.format(type='type')}"
)


def install(connection: BaseDatabaseWrapper) -> None:
    """Make the index, with all messages that are there."""
    if connection.vendor == "sqlite" and _sqlite_has_trigrams():
        _execute(connection, _SQLITE_TABLE, *_SQLITE_TRIGGERS, *_SQLITE_FILL)
    elif connection.vendor == "postgresql":
        _execute(connection, _POSTGRESQL)


def remove(connection: BaseDatabaseWrapper) -> None:
    if connection.vendor == "sqlite":
        _execute(connection, *(f"DROP TRIGGER IF EXISTS {name}" for name in TRIGGERS))
        _execute(connection, f"DROP TABLE IF EXISTS {TABLE}")
    elif connection.vendor == "postgresql":
        _execute(connection, f"DROP INDEX IF EXISTS {TABLE}")


def mend(connection: BaseDatabaseWrapper) -> None:
    """Put back what a migration took away: when SQLite's tables are altered they are made anew, without triggers."""
    if (
        connection.vendor == "sqlite"
        and TABLE in (there := _sqlite_parts(connection))
        and not there.issuperset(TRIGGERS)
    ):
        _execute(connection, *(f"DROP TRIGGER IF EXISTS {name}" for name in TRIGGERS))
        _execute(connection, *_SQLITE_TRIGGERS, *_SQLITE_FILL)


def is_there(connection: BaseDatabaseWrapper) -> bool:
    """Whether the index can be asked: on PostgreSQL, what it is asked is true without it too."""
    if connection.vendor == "sqlite":
        return _sqlite_parts(connection) == {TABLE, *TRIGGERS}
    return connection.vendor == "postgresql"


def _sqlite_parts(connection: BaseDatabaseWrapper) -> set[str]:
    names = (TABLE, *TRIGGERS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE name IN (%s, %s, %s, %s)", names)
        return {name for (name,) in cursor.fetchall()}


@lru_cache
def _sqlite_has_trigrams() -> bool:
    memory = sqlite3.connect(":memory:")
    try:
        memory.execute("CREATE VIRTUAL TABLE probe USING fts5(content, tokenize='trigram')")
    except sqlite3.OperationalError:
        return False
    finally:
        memory.close()
    return True


def _execute(connection: BaseDatabaseWrapper, *statements: Any) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
