"""Redis as a worker's broker, when it is lost while messages are not acknowledged yet.

All messages of runs that advance are, since they are acknowledged late. kombu gives them back, or acknowledges them, on
a connection that is closed already; there it finds None where it expects an address, raises AttributeError, and Celery
takes that for a reason to end the worker. As the lost connection that it is, Celery expects and survives it.
"""

from typing import Any

from kombu.transport import redis as kombu_redis
from redis import ConnectionError as NotConnected


class Channel(kombu_redis.Channel):
    """A channel that says so when its connection is closed."""

    def _connparams(self, *arguments: Any, **options: Any) -> Any:
        if self.connection is None or self.connection.client is None:
            raise NotConnected("the connection to the broker is closed")
        return super()._connparams(*arguments, **options)  # type: ignore[no-untyped-call]  # kombu's


def outlive_lost_connections() -> None:
    """Let this process use it from now on. Called before a worker connects."""
    kombu_redis.Transport.Channel = Channel
