"""How long the queues are, straight from Redis."""

from dataclasses import dataclass

from triage.model import Stage

PREFIX = "triage:"
"""What the product puts before every key; `celeryconfig.py` sets it."""
QUEUES = (*(str(stage) for stage in Stage), "submit")
SECONDS = 1.0
"""How long the broker may take to answer."""


@dataclass(frozen=True, slots=True)
class Queues:
    """Messages that wait, by queue, and those that workers have taken (`unacked`)."""

    lengths: dict[str, int]
    unacked: int


def measured(broker_url: str) -> Queues | None:
    """None if Redis did not answer."""
    import redis  # noqa: PLC0415 - a tenth of a second, and only metrics need it

    try:
        client = redis.Redis.from_url(broker_url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
        with client, client.pipeline(transaction=False) as pipe:
            for queue in QUEUES:
                pipe.llen(PREFIX + queue)
            pipe.hlen(PREFIX + "unacked")
            *lengths, unacked = pipe.execute()
    except redis.RedisError:
        return None
    return Queues(dict(zip(QUEUES, lengths, strict=True)), unacked)


def measurable(broker_url: str) -> bool:
    """Whether it is Redis: other brokers have exporters of their own."""
    return broker_url.startswith(("redis://", "rediss://"))
