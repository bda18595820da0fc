"""Servers and databases for the tests that need them; nothing starts before a test asks for it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import databases
from triage import local
from triage.store.database import Database


@pytest.fixture(scope="session")
def servers_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Name the folder of the servers that all tests share."""
    return tmp_path_factory.mktemp("servers") / "home"


@pytest.fixture(scope="session")
def servers(servers_home: Path) -> Iterator[local.Lease]:
    """Run a PostgreSQL and a Valkey for as long as the tests run."""
    with local.attach(servers_home) as lease:
        yield lease


@pytest.fixture(scope="session")
def template(servers: local.Lease) -> str:
    """Migrate the template once; the URL of its server."""
    return databases.make_template(servers.endpoints.database_url)


@pytest.fixture
def database_url(template: str) -> Iterator[str]:
    """Give the test a database that nobody else has."""
    with databases.copied(template) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Connect to the test's database."""
    database = Database(database_url)
    yield database
    database.close()
