"""Reads and writes of single rows whose SQL is made once: the ones that every turn of a chat needs.

Building a query costs Django more than the database needs to answer it: a run's row by its key takes 0.8 ms of CPU from
a queryset (1.3 ms with `first()`), and 0.15 ms from here; SQLite itself takes 0.05 ms. A turn has some twenty of them.
The SQL is made of a model's own fields and depends on nothing else, so there is nothing that could be out of date;
values pass through the fields as they do in a queryset. All other queries are querysets.

Conditions are joined by AND, equality except in `count`. Signals (`post_save`) are not sent. In a thread, as the rest
of the database's work; locks, retries and transactions are the caller's responsibility.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, TypeVar

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model

from agentchat.infra.database import connection

M = TypeVar("M", bound=Model)

BATCH = 50  # rows in one INSERT: SQLite may be built for 999 values in a statement

Converter = Callable[[Any, Any, BaseDatabaseWrapper], Any]


def select(model: type[M], *, order: tuple[str, ...] = (), limit: int = 0, lock: bool = False, **equal: Any) -> list[M]:
    """The rows whose columns have these values: None stands for NULL, a tuple for any of its values.

    `order` are fields, descending with a "-". `lock`: until the end of the transaction, where the database locks rows.
    """
    names = _names(model)
    alias = connection().alias
    rows = _rows(model, names, equal, order, limit, lock)
    return [model.from_db(alias, names, row) for row in rows]


def select_values(
    model: type[Model], fields: tuple[str, ...], *, order: tuple[str, ...] = (), **equal: Any
) -> list[tuple[Any, ...]]:
    """Only these values of the same rows."""
    return [tuple(row) for row in _rows(model, fields, equal, order, 0, False)]


def select_one(model: type[M], *, lock: bool = False, order: tuple[str, ...] = (), **equal: Any) -> M | None:
    """The first of these rows, if there is one."""
    rows = select(model, order=order, limit=1, lock=lock, **equal)
    return rows[0] if rows else None


def select_with(model: type[M], reference: str, **equal: Any) -> M | None:
    """One row, together with the row that its field `reference` refers to, which is never NULL. Neither is locked."""
    database, parent = connection(), _parent(model, reference)
    own, parents = _names(model), _names(parent)
    shape = tuple((name, "=", len(_values(value))) for name, value in equal.items())
    params = [_field(model, name).get_db_prep_value(value, connection=database) for name, value in equal.items()]
    sql = _joined_sql(database.vendor, model, own, reference, parents, shape)
    for values in _fetch(database, sql, params, (model, own), (parent, parents)):
        row = model.from_db(database.alias, own, values[: len(own)])
        setattr(row, reference, parent.from_db(database.alias, parents, values[len(own) :]))
        return row
    return None


Condition = tuple[str, Literal["=", "<>", ">", ">=", "IN", "NOT IN"], Any]


def count(model: type[Model], *conditions: Condition) -> int:
    """How many rows fulfil these conditions: a field, an operator, a value; `session__owner_id` is one of a parent's.

    With "=" None stands for NULL; with "IN" and "NOT IN" the value is a tuple.
    """
    database = connection()
    wanted = [(path, operator, _values(value)) for path, operator, value in conditions]
    shape = tuple((path, operator, len(values)) for path, operator, values in wanted)
    params = [
        _field_at(model, path).get_db_prep_value(value, connection=database)
        for path, _, values in wanted
        for value in values
    ]
    with database.cursor() as cursor:
        cursor.execute(_count_sql(database.vendor, model, shape), params)
        return int(cursor.fetchone()[0])


def _rows(
    model: type[Model], fields: tuple[str, ...], equal: dict[str, Any], order: tuple[str, ...], limit: int, lock: bool
) -> list[list[Any]]:
    database = connection()
    wanted = {name: _values(value) for name, value in equal.items()}
    shape = tuple((name, len(values)) for name, values in wanted.items())
    params = [
        _field(model, name).get_db_prep_value(value, connection=database)
        for name, values in wanted.items()
        for value in values
    ]
    sql = _select_sql(database.vendor, model, fields, shape, order, limit, lock)
    return _fetch(database, sql, params, (model, fields))


def _fetch(
    database: BaseDatabaseWrapper, sql: str, params: list[Any], *parts: tuple[type[Model], tuple[str, ...]]
) -> list[list[Any]]:
    """The rows that a query finds. Its columns are these fields of these models, one model after the other."""
    with database.cursor() as cursor:
        cursor.execute(sql, params)
        rows = [list(row) for row in cursor.fetchall()]
    first = 0
    for model, fields in parts:
        for place, convert, expression in _converters(database.vendor, settings.USE_TZ, model, fields):
            for row in rows:
                row[first + place] = convert(row[first + place], expression, database)
        first += len(fields)
    return rows


def _values(value: Any) -> tuple[Any, ...]:
    return () if value is None else value if isinstance(value, tuple) else (value,)


def insert(rows: Sequence[Model], *, or_update: tuple[str, ...] = ()) -> None:
    """Insert the rows, all of one model. Their keys stay unset.

    `or_update` are the fields of a unique key: where there is a row with the same, it gets the other values. A column
    with a default of the model's keeps what it has then.
    """
    database = connection()
    for begin in range(0, len(rows), BATCH):
        batch = rows[begin : begin + BATCH]
        model = type(batch[0])
        fields = _written_fields(model)
        params = [
            field.get_db_prep_save(field.pre_save(row, True), connection=database) for row in batch for field in fields
        ]
        with database.cursor() as cursor:
            cursor.execute(_insert_sql(database.vendor, model, len(batch), or_update), params)
    for row in rows:
        row._state.adding, row._state.db = False, database.alias


def update(row: Model, *names: str) -> None:
    """Save these fields of a row that exists."""
    database, model = connection(), type(row)
    fields = [_field(model, name) for name in names]
    params = [field.get_db_prep_save(field.pre_save(row, False), connection=database) for field in fields]
    key = _field(model, "pk").get_db_prep_value(row.pk, connection=database)
    with database.cursor() as cursor:
        cursor.execute(_update_sql(database.vendor, model, names, (("pk", 1),)), [*params, key])


def update_if_unchanged(row: Model, changes: Mapping[str, Any], *unchanged: str) -> bool:
    """Save these values if the row has in all fields `unchanged` what it had when it was read. Return whether it had.

    `row` itself changes only then.
    """
    database, model = connection(), type(row)
    params = [_field(model, name).get_db_prep_save(value, connection=database) for name, value in changes.items()]
    before = {name: _values(getattr(row, name)) for name in ("pk", *unchanged)}
    shape = tuple((name, len(values)) for name, values in before.items())
    for name, values in before.items():
        params += [_field(model, name).get_db_prep_value(value, connection=database) for value in values]
    with database.cursor() as cursor:
        cursor.execute(_update_sql(database.vendor, model, tuple(changes), shape), params)
        if cursor.rowcount != 1:
            return False
    for name, value in changes.items():
        setattr(row, name, value)
    return True


# --- SQL, made once -------------------------------------------------------------------------------------------------


@cache
def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    return model._meta.pk if name == "pk" else model._meta.get_field(name)  # type: ignore[return-value]


@cache
def _field_at(model: type[Model], path: str) -> "Field[Any, Any]":
    """The field of the row, or, after two underscores, of the row that it refers to."""
    reference, _, name = path.rpartition("__")
    return _field(_parent(model, reference), name) if reference else _field(model, name)


def _parent(model: type[Model], reference: str) -> type[Model]:
    return _field(model, reference).related_model  # type: ignore[return-value]


@cache
def _written_fields(model: type[Model]) -> list["Field[Any, Any]"]:
    """All but a key that the database makes."""
    fields: list[Field[Any, Any]] = [*model._meta.concrete_fields]
    return [field for field in fields if field is not model._meta.auto_field]


def _column(database: BaseDatabaseWrapper, field: "Field[Any, Any]") -> str:
    return str(database.ops.quote_name(str(field.column)))


@cache
def _select_sql(
    vendor: str,
    model: type[Model],
    fields: tuple[str, ...],
    shape: tuple[tuple[str, int], ...],
    order: tuple[str, ...],
    limit: int,
    lock: bool,
) -> str:
    database = connection()
    columns = ", ".join(_column(database, _field(model, name)) for name in fields)
    conditions = [_column(database, _field(model, name)) + _condition(values) for name, values in shape]
    sql = f"SELECT {columns} FROM {database.ops.quote_name(model._meta.db_table)} WHERE {' AND '.join(conditions)}"
    if order:
        sql += f" ORDER BY {', '.join(_direction(database, model, name) for name in order)}"
    if limit:
        sql += f" LIMIT {limit}"
    if lock and database.features.has_select_for_update:
        sql += f" {database.ops.for_update_sql()}"
    return sql


@cache
def _joined_sql(
    vendor: str,
    model: type[Model],
    fields: tuple[str, ...],
    reference: str,
    parents: tuple[str, ...],
    shape: tuple[tuple[str, str, int], ...],
) -> str:
    paths = (*fields, *(f"{reference}__{name}" for name in parents))
    columns = ", ".join(_column_at(model, path) for path in paths)
    return f"SELECT {columns} FROM {_tables(model, [reference])} WHERE {_tests(model, shape)}"


@cache
def _count_sql(vendor: str, model: type[Model], shape: tuple[tuple[str, str, int], ...]) -> str:
    references = dict.fromkeys(path.rpartition("__")[0] for path, _, _ in shape if "__" in path)
    return f"SELECT COUNT(*) FROM {_tables(model, references)} WHERE {_tests(model, shape)}"


def _tables(model: type[Model], references: Iterable[str]) -> str:
    quote = connection().ops.quote_name
    joined = quote(model._meta.db_table)
    for reference in references:
        parent = quote(_parent(model, reference)._meta.db_table)
        joined += f" INNER JOIN {parent} ON {_column_at(model, f'{reference}__pk')} = {_column_at(model, reference)}"
    return joined


def _tests(model: type[Model], shape: tuple[tuple[str, str, int], ...]) -> str:
    tests = []
    for path, operator, values in shape:
        places = ", ".join(["%s"] * values)
        test = f"{operator} ({places})" if operator.endswith("IN") else f"{operator} %s" if values else "IS NULL"
        tests.append(f"{_column_at(model, path)} {test}")
    return " AND ".join(tests)


def _column_at(model: type[Model], path: str) -> str:
    """The column of `_field_at`, with its table."""
    database, reference = connection(), path.rpartition("__")[0]
    table = (_parent(model, reference) if reference else model)._meta.db_table
    return f"{database.ops.quote_name(table)}.{_column(database, _field_at(model, path))}"


def _direction(database: BaseDatabaseWrapper, model: type[Model], name: str) -> str:
    return _column(database, _field(model, name.removeprefix("-"))) + (" DESC" if name.startswith("-") else " ASC")


def _condition(values: int) -> str:
    return f" IN ({', '.join(['%s'] * values)})" if values > 1 else " = %s" if values else " IS NULL"


@cache
def _insert_sql(vendor: str, model: type[Model], rows: int, or_update: tuple[str, ...]) -> str:
    database, fields = connection(), _written_fields(model)
    columns = ", ".join(_column(database, field) for field in fields)
    row = f"({', '.join(['%s'] * len(fields))})"
    sql = f"INSERT INTO {database.ops.quote_name(model._meta.db_table)} ({columns}) VALUES {', '.join([row] * rows)}"
    if or_update:
        key = [_field(model, name) for name in or_update]
        others = [_column(database, field) for field in fields if field not in key and not field.has_default()]
        changes = ", ".join(f"{column} = EXCLUDED.{column}" for column in others)
        sql += f" ON CONFLICT ({', '.join(_column(database, field) for field in key)}) DO UPDATE SET {changes}"
    return sql


@cache
def _update_sql(vendor: str, model: type[Model], names: tuple[str, ...], shape: tuple[tuple[str, int], ...]) -> str:
    database = connection()
    changes = ", ".join(f"{_column(database, _field(model, name))} = %s" for name in names)
    conditions = " AND ".join(_column(database, _field(model, name)) + _condition(values) for name, values in shape)
    return f"UPDATE {database.ops.quote_name(model._meta.db_table)} SET {changes} WHERE {conditions}"


@cache
def _names(model: type[Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields)


@cache
def _converters(
    vendor: str, has_zones: bool, model: type[Model], fields: tuple[str, ...]
) -> list[tuple[int, Converter, Any]]:
    """What makes values of Python of those of the database: at which place of a row, and how."""
    database = connection()
    converters: list[tuple[int, Converter, Any]] = []
    for place, name in enumerate(fields):
        expression = _field(model, name).get_col(model._meta.db_table)
        for convert in (*database.ops.get_db_converters(expression), *expression.get_db_converters(database)):
            converters.append((place, convert, expression))
    return converters
