"""`manage.py agentchat_transfer db.sqlite3`: copy everything in a SQLite file into the site's empty database.

For when one machine is no longer enough: docs/deploying.md describes the whole move. Every table of every installed app
is copied as it is, keys included, so runs that wait or are queued go on in the new database. It is one transaction:
afterwards everything is there, or nothing is. The file is only read.

Rows are copied in batches, so memory does not grow with the tables. They bypass the models' `save`: no signal is sent,
and no `auto_now` field changes. Text that PostgreSQL does not accept is cleaned as it is in a run.
"""

import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.management.color import no_style
from django.db import DatabaseError, connections, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Cast

from agentchat.infra import moments
from agentchat.infra.database import alias
from agentchat.infra.sanitize import clean, clean_json
from agentchat.models import Run

SOURCE = "agentchat_transfer"
BATCH = 1_000  # rows

# `migrate` fills these tables itself, with keys of its own: the rows of the file replace them.
FILLED_BY_MIGRATE = ("auth_permission", "django_content_type", "django_site")

Model = type[models.Model]


class Command(BaseCommand):
    help = (
        "Copy everything (chats, runs, accounts, sign-ins, admin's log) from a SQLite file into this site's database, "
        "which must be migrated and empty. Stop the site first. All or nothing: after a failure, run it again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the SQLite file of the old site; it is not changed")
        parser.add_argument(
            "--database", help="the database to fill, a key of DATABASES (default: the one that has agentchat's tables)"
        )

    def handle(self, *args: Any, file: Path, database: str | None, verbosity: int, **options: Any) -> None:
        database = database or alias()
        if database not in connections:
            raise CommandError(f"there is no database {database!r} in DATABASES")
        began = time.monotonic()
        target = connections[database]
        tables = [model for model in _tables() if router.allow_migrate_model(database, model)]
        with _opened(file, target) as source:
            _check_schemas(source, target, tables)
            _check_stopped()
            with transaction.atomic(using=database):
                _check_empty(target, tables)
                copy = _Copy(source, target, tables)
                counts = {}
                version = _version(source)
                with transaction.atomic(using=SOURCE):  # one snapshot of the file, even if it is written to
                    for model in tables:
                        counts[model] = copy.fill(model)
                        if verbosity >= 2:
                            self.stdout.write(f"{model._meta.db_table}: {counts[model]}")
                if _version(source) != version:
                    raise CommandError(f"{file} was changed during the copy: stop the site, and try again")
                copy.finish(counts)
        if verbosity >= 1:
            rows = f"{sum(counts.values())} rows of {len(counts)} tables"
            self.stdout.write(f"Copied {rows} in {time.monotonic() - began:.1f} s; counts and references match.")
            if copy.cleaned:
                self.stdout.write(
                    f"In {copy.cleaned} values, characters that {target.display_name} cannot store are gone or �."
                )


def _tables() -> list[Model]:
    """One model for each table of the installed apps, those of many-to-many relations too."""
    found = apps.get_models(include_auto_created=True)
    return [model for model in found if model._meta.managed and not model._meta.proxy]


def _columns(model: Model) -> "list[models.Field[Any, Any]]":
    return [field for field in model._meta.local_concrete_fields if not field.generated]


# --- the file -------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(file: Path, target: BaseDatabaseWrapper) -> Iterator[BaseDatabaseWrapper]:
    """The file as one of Django's databases, read-only. Raise CommandError if it cannot be read as one."""
    path = file.resolve()
    if not path.is_file():
        raise CommandError(f"there is no file {file}")
    if target.vendor == "sqlite" and Path(str(target.settings_dict["NAME"])).resolve() == path:
        raise CommandError(f"{file} is this site's own database: let DATABASES have the new one")
    connections.databases[SOURCE] = {
        **{
            key: value for key, value in target.settings_dict.items() if key not in ("PASSWORD", "HOST", "PORT", "USER")
        },
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{path.as_uri()}?mode=ro",
        "OPTIONS": {"uri": True, "timeout": 20},
        "CONN_MAX_AGE": 0,
        "ATOMIC_REQUESTS": False,
        **dict.fromkeys(("USER", "PASSWORD", "HOST", "PORT"), ""),
        "AUTOCOMMIT": True,
    }
    try:
        source = connections[SOURCE]
        try:
            source.introspection.table_names()
        except DatabaseError as error:
            raise CommandError(f"{file} cannot be read as a SQLite database: {error}") from error
        yield source
    finally:
        connections[SOURCE].close()
        del connections[SOURCE]
        del connections.databases[SOURCE]


def _version(source: BaseDatabaseWrapper) -> int:
    """A number that changes when another process has written to the file. Not inside a transaction."""
    with source.cursor() as cursor:
        cursor.execute("PRAGMA data_version")
        return int(cursor.fetchone()[0])


# --- preconditions --------------------------------------------------------------------------------------------------


def _check_schemas(source: BaseDatabaseWrapper, target: BaseDatabaseWrapper, tables: list[Model]) -> None:
    for connection, name in ((target, "the new database"), (source, "the file")):
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan:
            first = plan[0][0]
            raise CommandError(
                f"{name} is missing {len(plan)} migrations, the first is {first.app_label}.{first.name}: run "
                "`manage.py migrate` on it, with this same code"
            )
    with source.cursor() as cursor:
        for model in tables:
            table = model._meta.db_table
            there = {column.name for column in source.introspection.get_table_description(cursor, table)}
            if unknown := there - {field.column for field in model._meta.local_concrete_fields}:
                names = ", ".join(sorted(unknown))
                raise CommandError(
                    f"the file's table {table} has columns that this code does not know ({names}): use the code that "
                    "wrote it"
                )


def _check_stopped() -> None:
    # Those that wait in their thread (durable=False) have a lease, too.
    alive = Run.objects.using(SOURCE).filter(status__in=Run.LIVE, lease_until__gt=moments.now()).count()
    if alive:
        raise CommandError(
            f"{alive} runs of the old site are still active: stop the site. If it was killed, their leases expire by "
            "themselves (LEASE_S): try again after that"
        )


def _check_empty(target: BaseDatabaseWrapper, tables: list[Model]) -> None:
    with target.cursor() as cursor:
        for model in tables:
            table = model._meta.db_table
            if table in FILLED_BY_MIGRATE:
                continue
            cursor.execute(f"SELECT 1 FROM {target.ops.quote_name(table)} LIMIT 1")
            if cursor.fetchone():
                raise CommandError(f"the new database is not empty: {table} has rows. Nothing was changed")


# --- copying --------------------------------------------------------------------------------------------------------


class _Copy:
    """Fills one table after the other, within the caller's transaction; `finish()` verifies the whole.

    Foreign keys are checked at the end, like all of Django's: tables refer to one another in circles.
    """

    def __init__(self, source: BaseDatabaseWrapper, target: BaseDatabaseWrapper, tables: list[Model]) -> None:
        self.source, self.target, self.tables = source, target, tables
        self.cleaned = 0
        with target.cursor() as cursor:
            for table in FILLED_BY_MIGRATE:
                if any(model._meta.db_table == table for model in tables):
                    cursor.execute(f"DELETE FROM {target.ops.quote_name(table)}")

    def fill(self, model: Model) -> int:
        """Copy a table. Return how many rows it has."""
        fields, quote = _columns(model), self.target.ops.quote_name
        names, places = ", ".join(quote(str(field.column)) for field in fields), ", ".join(["%s"] * len(fields))
        insert = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places})"
        count, rows = 0, iter(self._rows(model, fields))
        with self.target.cursor() as cursor:
            while batch := list(islice(rows, BATCH)):
                try:
                    cursor.executemany(insert, batch)
                except DatabaseError as error:
                    raise CommandError(
                        f"{model._meta.db_table}: a row between {batch[0][0]} and {batch[-1][0]} was not accepted: "
                        f"{str(error).strip()}. Nothing was changed"
                    ) from error
                count += len(batch)
        return count

    def _rows(self, model: Model, fields: "list[models.Field[Any, Any]]") -> Iterable[list[Any]]:
        # JSON stays text: a null in it is not the absence of a value.
        is_json = [isinstance(field, models.JSONField) for field in fields]
        wanted = [
            Cast(field.attname, models.TextField()) if json else field.attname
            for field, json in zip(fields, is_json, strict=True)
        ]
        read = model._base_manager.using(SOURCE).order_by("pk").values_list(*wanted)
        columns = list(zip(fields, is_json, strict=True))
        for row in read.iterator(chunk_size=BATCH):
            yield [
                self._storable(value, json) if json else field.get_db_prep_save(self._storable(value), self.target)
                for (field, json), value in zip(columns, row, strict=True)
            ]

    def _storable(self, value: Any, is_json: bool = False) -> Any:
        if not isinstance(value, str) or self.target.vendor != "postgresql":
            return value
        kept = _clean_text_of_json(value) if is_json else clean(value)
        self.cleaned += kept != value
        return kept

    def finish(self, counts: dict[Model, int]) -> None:
        """Compare the counts, set the sequences, and check every reference."""
        with self.target.cursor() as cursor:
            for model, count in counts.items():
                cursor.execute(f"SELECT count(*) FROM {self.target.ops.quote_name(model._meta.db_table)}")
                if (there := cursor.fetchone()[0]) != count:
                    raise CommandError(
                        f"{model._meta.db_table} has {there} rows instead of {count}. Nothing was changed"
                    )
            for statement in self.target.ops.sequence_reset_sql(no_style(), self.tables):
                cursor.execute(statement)
        try:
            self.target.check_constraints()
        except DatabaseError as error:
            raise CommandError(
                f"the file refers to rows that it does not have: {error}. Nothing was changed"
            ) from error


# How json.dumps writes NUL and surrogates. It may also be an escaped backslash before a word, so a match is parsed.
_SUSPICIOUS = re.compile(r"\\u(?:0000|d[89a-f])", re.IGNORECASE)


def _clean_text_of_json(text: str) -> str:
    if not _SUSPICIOUS.search(text):
        return text
    value = json.loads(text)
    cleaned = clean_json(value)
    return text if cleaned == value else json.dumps(cleaned)
