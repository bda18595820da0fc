"""What the relay asks of the broker: how long the queues are, and whether it is still the one that was rung."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import celery
from amqp.exceptions import ChannelError
from kombu import exceptions
from kombu.connection import Connection

from triage import errors, tracing
from triage.model import Stage
from triage.store.relay import Ring
from workers import canvas, trace

TOKEN = "relay-token"  # noqa: S105 - not a secret
_NO_RETRIES = {"max_retries": 1, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.2}
"""A lost broker is tried again at the relay's next turn, not for ever inside one."""
UNREACHABLE = (exceptions.OperationalError, OSError, exceptions.ConnectionError)


@dataclass(frozen=True, slots=True)
class Token:
    """`life` changes when the broker restarts, `mark` is gone when it is flushed."""

    life: str
    mark: str
    marked: bool

    def __str__(self) -> str:
        return f"{self.life}:{self.mark}"


class Broker:
    """One connection of the relay's own; opened when it is first needed, and anew after it broke."""

    def __init__(self, app: celery.Celery) -> None:
        """Opens nothing yet."""
        self._app = app
        self._connection: Connection | None = None

    def lengths(self) -> dict[Stage, int]:
        """How many messages wait in each stage's queue.

        Raises:
            BrokerUnavailable: the broker did not answer.
        """
        with _Translated(self):
            if self._on_redis:
                return self._redis_lengths()
            return {stage: self._declared_length(stage) for stage in Stage}

    def token(self) -> Token | None:
        """What tells this broker from the one before it was flushed or restarted; None where that cannot be told."""
        with _Translated(self):
            if not self._on_redis:
                return None
            mark = self._client.hget(TOKEN, "mark")  # kombu prefixes the keys of hashes, but not of every command
            life = self._client.info("server")["run_id"]
            return Token(life, mark.decode() if mark else str(uuid4()), marked=mark is not None)

    def keep_token(self, token: Token) -> None:
        """Leave a mark that was absent, after everything that was rung before has been made due again.

        One that was there is not written back: the broker may have been flushed since it was read.
        """
        if not token.marked:
            with _Translated(self):
                self._client.hset(TOKEN, "mark", token.mark)

    def ring(self, rings: Sequence[Ring]) -> None:
        """Send each run's chain. Those that could not be sent are chosen again after an interval."""
        with _Translated(self), self._open().Producer() as producer, producer.batch(max_size=100):
            for ring in rings:
                with trace.of(None if ring.late else ring.trace):
                    headers = {tracing.LINK_HEADER: ring.trace} if ring.late and ring.trace else None
                    canvas.send(self._app, ring.run_id, ring.checkpoint, producer, headers)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.release()
            self._connection = None

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = self._app.connection_for_write(transport_options=_NO_RETRIES)
        return self._connection

    @property
    def _on_redis(self) -> bool:
        return bool(self._open().transport.driver_type == "redis")

    @property
    def _client(self) -> Any:  # noqa: ANN401 - redis.Redis, with the key prefix
        channel: Any = self._open().default_channel
        return channel.client

    def _redis_lengths(self) -> dict[Stage, int]:
        with self._client.pipeline(transaction=False) as pipe:
            for stage in Stage:
                pipe.llen(stage.value)
            return dict(zip(Stage, pipe.execute(), strict=True))

    def _declared_length(self, stage: Stage) -> int:
        try:
            return int(self._open().default_channel.queue_declare(stage.value, passive=True).message_count)
        except ChannelError:  # not there yet: no worker has ever served it
            return 0


class _Translated:
    """Turns what a broken connection raises into BrokerUnavailable, and drops that connection."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, self._lost()):
            self._broker.close()
            raise errors.BrokerUnavailable(f"the broker did not answer: {error}") from error

    def _lost(self) -> tuple[type[BaseException], ...]:
        connection = self._broker._connection  # noqa: SLF001 - one unit with Broker
        return (*UNREACHABLE, *(connection.connection_errors if connection is not None else ()))
