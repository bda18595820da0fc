"""A database and a broker for one trial after the other."""

import shutil
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import redis

from tests.crash import naive
from tests.crash.systems import Systems
from tests.support import databases
from triage.testing import Controls

_serials = count(1)
CLEAN = """
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid();
delete from event; delete from attempt; delete from approval; delete from effect; delete from tool_state;
delete from decision; delete from report; delete from run;
delete from process; delete from local_ticket; delete from local_notice; delete from local_comment; delete from naive;
update relay set process_id = null, until = '-infinity', broker_token = null;
"""


@dataclass(frozen=True)
class Tools:
    """The other systems: one that keeps its keys long, one that forgets them soon, and real ones if they are needed."""

    lasting: Controls
    forgetful: Controls
    real: Systems | None = None


class Lane:
    """Used by one thread."""

    def __init__(self, database_url: str, broker_url: str, folder: Path, tools: Tools) -> None:
        """`database_url` leads to a migrated database that nobody else uses; so does `broker_url`."""
        self.database_url = database_url
        self.broker_url = broker_url
        self.tools = tools
        self._folder = folder
        with self._connect() as connection:
            connection.execute(naive.TABLE)

    def clean(self) -> tuple[int, Path]:
        """Make everything as if there had been no trial before; a number and a folder for the next."""
        with self._connect() as connection, connection.transaction():
            connection.execute(CLEAN)  # several statements: psycopg sends them at once
        self.flush()
        serial = next(_serials)
        folder = self._folder / str(serial)
        folder.mkdir(parents=True)
        return serial, folder

    def flush(self) -> None:
        """Let the broker forget everything."""
        with redis.Redis.from_url(self.broker_url, socket_timeout=5) as client:
            client.flushdb()

    @staticmethod
    def forget(folder: Path) -> None:
        """Remove what a trial wrote."""
        shutil.rmtree(folder, ignore_errors=True)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(databases.plain(self.database_url), autocommit=True, connect_timeout=5)
