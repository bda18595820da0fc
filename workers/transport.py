"""Keeps a worker alive when its Redis connection drops, and its Redis client from being made anew.

Celery 5.7.0 closes the connection while its channel still wants to give unacknowledged messages back; the channel then
asks a client that is gone for its host name, and the AttributeError ends the worker. Raising what it expects from a
lost connection makes it reconnect; the messages come back by themselves. To be dropped when this is mended upstream.
"""

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class SafeChannel(redis.Channel):
    """A channel that reports a closed connection as a connection error."""

    _kept: Any = None

    def _connparams(self, asynchronous: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - kombu's signature
        if self.connection is None or getattr(self.connection, "client", None) is None:
            raise RedisConnectionError("channel closed after the broker connection was lost")
        return super()._connparams(asynchronous=asynchronous)

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - kombu's signature
        """Keep the client of a pool: making one for every command costs a tenth of a busy worker's time."""
        if asynchronous:
            return super()._create_client(asynchronous=True)
        if self._kept is None or self._kept.connection_pool is not self.pool:
            self._kept = super()._create_client()
        return self._kept


class SafeTransport(redis.Transport):
    """The Redis transport with safe channels; chosen in `celeryconfig.py`."""

    Channel = SafeChannel
