"""The private servers, and a clean database and broker for every measurement."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import redis
from psycopg import sql

from triage import local
from triage.store import migrate

REDIS_DATABASES = 16


@dataclass(frozen=True)
class Place:
    """Where one measurement's state lives."""

    database_url: str
    broker_url: str


class Servers:
    """One Postgres and one Redis for the whole benchmark."""

    def __init__(self, home: Path, endpoints: local.Endpoints) -> None:
        """Use the running servers in `home`."""
        self._home = home
        self._endpoints = endpoints
        self._numbers = count(1)

    @property
    def pids(self) -> dict[str, int]:
        """Each server's process by its name."""
        return {server.name: server.pid or 0 for server in local.status(self._home).servers}

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A fresh, migrated database and an empty broker."""
        number = next(self._numbers)
        name = f"bench_{os.getpid()}_{number}"
        base, _, _ = self._endpoints.database_url.rpartition("/")
        broker = f"{self._endpoints.broker_url.rpartition('/')[0]}/{number % REDIS_DATABASES}"
        redis.Redis.from_url(broker).flushdb()
        self._execute("create database {}", name)
        try:
            migrate.migrate(f"{base}/{name}")
            yield Place(f"{base}/{name}", broker)
        finally:
            self._execute("drop database {} with (force)", name)

    def _execute(self, statement: str, name: str) -> None:
        url = self._endpoints.database_url.replace("postgresql+psycopg://", "postgresql://", 1)
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


@contextmanager
def running(home: Path) -> Iterator[Servers]:
    """Start the servers in `home`; they end with the block."""
    with local.attach(home) as lease:
        try:
            yield Servers(home, lease.endpoints)
        finally:
            local.stop(home)
