import sqlite3

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# The index by which chats are searched, as agentchat.search.index describes it. Spelled out, because a migration must
# not change when the code does.
TABLE = "agentchat_search"
TYPE = "TEXT_MESSAGE_END"
MAX_CHARS = 100_000
TEXT = f"substr(json_extract({{}}payload, '$.content'), 1, {MAX_CHARS})"
ADD = f"INSERT INTO {TABLE} (rowid, content) VALUES (new.id, {TEXT.format('new.')});"
REMOVE = f"INSERT INTO {TABLE} ({TABLE}, rowid, content) VALUES ('delete', old.id, {TEXT.format('old.')});"

SQLITE = (
    f"CREATE VIRTUAL TABLE {TABLE} USING fts5(content, content='', tokenize='trigram')",
    f"""CREATE TRIGGER {TABLE}_insert AFTER INSERT ON agentchat_event
        WHEN new.type = '{TYPE}' BEGIN {ADD} END""",
    f"""CREATE TRIGGER {TABLE}_update AFTER UPDATE OF payload ON agentchat_event
        WHEN new.type = '{TYPE}' BEGIN {REMOVE} {ADD} END""",
    f"""CREATE TRIGGER {TABLE}_delete AFTER DELETE ON agentchat_event
        WHEN old.type = '{TYPE}' BEGIN {REMOVE} END""",
    f"INSERT INTO {TABLE} ({TABLE}) VALUES ('delete-all')",
    f"INSERT INTO {TABLE} (rowid, content) SELECT id, {TEXT.format('')} FROM agentchat_event WHERE type = '{TYPE}'",
)
SQLITE_REMOVAL = (
    *(f"DROP TRIGGER IF EXISTS {TABLE}_{event}" for event in ("insert", "update", "delete")),
    f"DROP TABLE IF EXISTS {TABLE}",
)
POSTGRESQL = (
    f"CREATE INDEX {TABLE} ON agentchat_event "
    f"USING gin ((to_tsvector('simple', left(payload ->> 'content', {MAX_CHARS})))) WHERE type = '{TYPE}'"
)


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
    """Create the index, and fill it. Without one, search reads the visitor's own messages."""
    vendor = schema_editor.connection.vendor
    if vendor == "sqlite" and sqlite_has_trigrams():
        execute(schema_editor, *SQLITE)
    elif vendor == "postgresql":
        execute(schema_editor, POSTGRESQL)


def remove(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    vendor = schema_editor.connection.vendor
    if vendor == "sqlite":
        execute(schema_editor, *SQLITE_REMOVAL)
    elif vendor == "postgresql":
        execute(schema_editor, f"DROP INDEX IF EXISTS {TABLE}")


def execute(schema_editor: BaseDatabaseSchemaEditor, *statements: str) -> None:
    with schema_editor.connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("agentchat", "0003_link_runs")]

    operations = [
        migrations.AddField(
            model_name="chatsession",
            name="seen_run",
            field=models.PositiveIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.RunPython(install, remove),
    ]
