# ruff: noqa: RUF001  (letters that look alike are what this is about)
import sqlite3

from django.db import migrations
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# The index by which chats are searched, now of folded texts, as agentchat.search describes it. Spelled out, because a
# migration must not change when the code does.
TABLE = "agentchat_search"
TEXTS = f"{TABLE}_text"
TYPE = "TEXT_MESSAGE_END"
MAX_CHARS = 100_000

# --- SQLite: a search fills it ----------------------------------------------------------------------------------------

SQLITE = (
    f"CREATE TABLE {TEXTS} (id integer NOT NULL PRIMARY KEY, content text NOT NULL)",
    f"CREATE VIRTUAL TABLE {TABLE} USING fts5(content, content='{TEXTS}', content_rowid='id', tokenize='trigram')",
    f"""CREATE TRIGGER {TEXTS}_insert AFTER INSERT ON {TEXTS}
        BEGIN INSERT INTO {TABLE} (rowid, content) VALUES (new.id, new.content); END""",
    f"""CREATE TRIGGER {TEXTS}_delete AFTER DELETE ON {TEXTS}
        BEGIN INSERT INTO {TABLE} ({TABLE}, rowid, content) VALUES ('delete', old.id, old.content); END""",
    f"""CREATE TRIGGER {TABLE}_update AFTER UPDATE OF payload ON agentchat_event
        WHEN new.type = '{TYPE}' BEGIN DELETE FROM {TEXTS} WHERE id = old.id; END""",
    f"""CREATE TRIGGER {TABLE}_delete AFTER DELETE ON agentchat_event
        WHEN old.type = '{TYPE}' BEGIN DELETE FROM {TEXTS} WHERE id = old.id; END""",
)
SQLITE_REMOVAL = (
    *(f"DROP TRIGGER IF EXISTS {TABLE}_{event}" for event in ("insert", "update", "delete")),
    f"DROP TABLE IF EXISTS {TABLE}",
    f"DROP TABLE IF EXISTS {TEXTS}",
)
BEFORE_TEXT = f"substr(json_extract({{}}payload, '$.content'), 1, {MAX_CHARS})"
BEFORE_ADD = f"INSERT INTO {TABLE} (rowid, content) VALUES (new.id, {BEFORE_TEXT.format('new.')});"
BEFORE_REMOVE = (
    f"INSERT INTO {TABLE} ({TABLE}, rowid, content) VALUES ('delete', old.id, {BEFORE_TEXT.format('old.')});"
)
SQLITE_BEFORE = (
    f"CREATE VIRTUAL TABLE {TABLE} USING fts5(content, content='', tokenize='trigram')",
    f"""CREATE TRIGGER {TABLE}_insert AFTER INSERT ON agentchat_event
        WHEN new.type = '{TYPE}' BEGIN {BEFORE_ADD} END""",
    f"""CREATE TRIGGER {TABLE}_update AFTER UPDATE OF payload ON agentchat_event
        WHEN new.type = '{TYPE}' BEGIN {BEFORE_REMOVE} {BEFORE_ADD} END""",
    f"""CREATE TRIGGER {TABLE}_delete AFTER DELETE ON agentchat_event
        WHEN old.type = '{TYPE}' BEGIN {BEFORE_REMOVE} END""",
    f"INSERT INTO {TABLE} (rowid, content) "
    f"SELECT id, {BEFORE_TEXT.format('')} FROM agentchat_event WHERE type = '{TYPE}'",
)

# --- PostgreSQL: the database fills it --------------------------------------------------------------------------------

IGNORED = (
    r"[\u0300-\u036F\u0483-\u0489\u0591-\u05BD\u05BF\u05C1-\u05C7\u0610-\u061A\u0640\u064B-\u065F\u0670"
    r"\u06D6-\u06DC\u06DF-\u06E8\u06EA-\u06ED\u00AD\u061C\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFE00-\uFE0F\uFEFF"
    r"\u1DC0-\u1DFF\u20D0-\u20F0*`~\\]"
)
DIGITS = {chr(zero + digit): str(digit) for zero in (0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50) for digit in range(10)}
ALIKE = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02b9\u02bb\u02bc\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    **dict.fromkeys("\t\n\r\v\f\u0085\u2028\u2029", " "),
    **{"ς": "σ", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ى": "ي", "ی": "ي"},
    **{"ک": "ك", "ة": "ه", "ہ": "ه"},
    **DIGITS,
}
LONGER = {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
PUNCTUATION = "-./:@_&=?#+,;!"  # with which PostgreSQL's parser makes addresses, numbers and file names of words


def folding_function(connection: BaseDatabaseWrapper) -> str:
    """agentchat_fold(text), with what this database has: normal forms need UTF-8, the case of all letters ICU."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_encoding")
        is_utf8 = cursor.fetchone() == ("UTF8",)
        cursor.execute("SELECT count(*) FROM pg_collation WHERE collname = 'und-x-icu'")
        has_icu = cursor.fetchone() != (0,)
    if not is_utf8:
        return f"CREATE FUNCTION agentchat_fold(text) RETURNS text {ATTRIBUTES} AS $$ SELECT lower($1) $$"
    lower = "lower(normalize($1, NFKD)" + (' COLLATE "und-x-icu")' if has_icu else ")")
    folded = f"regexp_replace({lower}, '{IGNORED}', '', 'g')"
    for one, several in LONGER.items():
        folded = f"replace({folded}, '{one}', '{several}')"
    others, same = ("".join(each).replace("'", "''") for each in (ALIKE, ALIKE.values()))
    folded = f"translate({folded}, '{others}', '{same}')"
    return f"CREATE FUNCTION agentchat_fold(text) RETURNS text {ATTRIBUTES} AS $$ SELECT {folded} $$"


ATTRIBUTES = "LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE"
WORDS = (
    f"to_tsvector('simple', translate(left(agentchat_fold(left(payload ->> 'content', {MAX_CHARS})), {MAX_CHARS}), "
    f"'{PUNCTUATION}', '{' ' * len(PUNCTUATION)}'))"
)
POSTGRESQL = f"CREATE INDEX {TABLE} ON agentchat_event USING gin (({WORDS})) WHERE type = '{TYPE}'"
POSTGRESQL_BEFORE = (
    f"CREATE INDEX {TABLE} ON agentchat_event "
    f"USING gin ((to_tsvector('simple', left(payload ->> 'content', {MAX_CHARS})))) WHERE type = '{TYPE}'"
)
POSTGRESQL_REMOVAL = (f"DROP INDEX IF EXISTS {TABLE}", "DROP FUNCTION IF EXISTS agentchat_fold(text)")


def sqlite_has_trigrams() -> bool:
    memory = sqlite3.connect(":memory:")
    try:
        memory.execute("CREATE VIRTUAL TABLE probe USING fts5(content, tokenize='trigram')")
    except sqlite3.OperationalError:
        return False
    finally:
        memory.close()
    return True


def install(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Replace the index. Without one, search reads the visitor's own messages."""
    vendor = schema_editor.connection.vendor
    if vendor == "sqlite" and sqlite_has_trigrams():
        execute(schema_editor, *SQLITE_REMOVAL, *SQLITE)
    elif vendor == "postgresql":
        execute(schema_editor, *POSTGRESQL_REMOVAL, folding_function(schema_editor.connection), POSTGRESQL)


def restore(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Put the index of migration 0004 back."""
    vendor = schema_editor.connection.vendor
    if vendor == "sqlite" and sqlite_has_trigrams():
        execute(schema_editor, *SQLITE_REMOVAL, *SQLITE_BEFORE)
    elif vendor == "postgresql":
        execute(schema_editor, *POSTGRESQL_REMOVAL, POSTGRESQL_BEFORE)


def execute(schema_editor: BaseDatabaseSchemaEditor, *statements: str) -> None:
    with schema_editor.connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("agentchat", "0006_crashes")]

    operations = [migrations.RunPython(install, restore)]
