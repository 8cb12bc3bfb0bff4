"""How much of something may be done in a time, counted over all processes in the database.

Each limit is a leaky bucket, stored as one moment: when it will be empty again. Using something is one statement, in
the transaction of what is done: if that is rejected or lost, nothing was used. Whoever comes at the same time, the
bucket counts each before it lets it in.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.crypto import salted_hmac

from agentchat.infra.database import connection
from agentchat.models import RateLimit


@dataclass(frozen=True)
class Bucket:
    """So much of something in so many seconds, all at once or one after the other. `key`: of what, and whose."""

    key: str
    amount: float
    seconds: float


class BucketFull(Exception):
    """There was no room. `seconds`: after which there is."""

    def __init__(self, bucket: Bucket, seconds: float) -> None:
        super().__init__(f"{bucket.key}: {bucket.amount:g} in {bucket.seconds:g} s were used")
        self.bucket = bucket
        self.seconds = seconds


def key_of(what: str, *whose: str) -> str:
    """The key of a bucket. Who it is cannot be read from it, as the address of somebody."""
    digest = salted_hmac("agentchat.rate_limits", "\n".join(whose), algorithm="sha256").hexdigest()[:40]
    return f"{what} {digest}"


def use(used: Mapping[Bucket, float]) -> None:
    """Put so much into each of the buckets. In a transaction, which is rolled back if this raises BucketFull.

    The statement locks their rows in this order: it must be the same wherever the same buckets are used.
    """
    now = time.time()
    for bucket, empty_at in _add(used, now).items():
        if used[bucket] > 0 and (seconds := empty_at - now - bucket.seconds) > 0:
            raise BucketFull(bucket, seconds)


def give_back(used: Mapping[Bucket, float]) -> None:
    """Take out what was put in, and should not count."""
    _add({bucket: -amount for bucket, amount in used.items()}, time.time())


def forget_empty() -> int:
    """Delete the rows of buckets that are empty. Return how many there were."""
    return RateLimit.objects.filter(empty_at__lt=time.time()).delete()[0]


def _add(used: Mapping[Bucket, float], now: float) -> dict[Bucket, float]:
    """Return when the buckets will be empty."""
    db = connection()
    table, key, empty_at = map(db.ops.quote_name, (RateLimit._meta.db_table, "key", "empty_at"))
    statement = (
        f"INSERT INTO {table} ({key}, {empty_at}) VALUES {', '.join(['(%s, %s)'] * len(used))} "
        f"ON CONFLICT ({key}) DO UPDATE SET {empty_at} = excluded.{empty_at} + "
        f"CASE WHEN {table}.{empty_at} > %s THEN {table}.{empty_at} - %s ELSE 0 END"
    )
    values: list[str | float] = []
    for bucket, amount in used.items():
        values += [bucket.key, now + amount * bucket.seconds / bucket.amount]
    returns = db.features.can_return_columns_from_insert  # not SQLite before 3.35
    with db.cursor() as cursor:
        cursor.execute(f"{statement} RETURNING {key}, {empty_at}" if returns else statement, [*values, now, now])
        if not returns:
            keys = [bucket.key for bucket in used]
            places = ", ".join(["%s"] * len(keys))
            cursor.execute(f"SELECT {key}, {empty_at} FROM {table} WHERE {key} IN ({places})", keys)
        moments = dict(cursor.fetchall())
    return {bucket: moments[bucket.key] for bucket in used}
