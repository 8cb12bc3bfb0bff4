"""Redis as a worker's broker, when the connection is lost while messages are not acknowledged yet.

Those of all runs that advance are not, since they are acknowledged late. kombu returns or acknowledges them on a
connection that is closed already; there it finds None where it expects an address, raises AttributeError, and Celery
ends the worker. Raised as the lost connection that it is, Celery expects the error and survives it.
"""

from typing import Any

from kombu.transport import redis as kombu_redis
from redis import ConnectionError as NotConnected


class Channel(kombu_redis.Channel):
    """A channel that raises a connection error when its connection is closed."""

    def _connparams(self, *arguments: Any, **options: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise NotConnected("the connection to the broker is closed")
        return super()._connparams(*arguments, **options)  # type: ignore[no-untyped-call]  # kombu's


def survive_lost_connections() -> None:
    """Make this process use it from now on. Called before a worker connects."""
    kombu_redis.Transport.Channel = Channel
