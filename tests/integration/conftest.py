"""A whole site for one test: its own database, an emptied broker, a tool server, and worker processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import BrokerProcess
from tests.support.nodes import BrokerNode, Setup, WorkerNode
from tests.support.site import Site
from triage.store.database import Database
from triage.testing import Controls, ToolProcess


@pytest.fixture(scope="session")
def broker_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """Run a broker that tests may kill; its port stays the same."""
    broker = BrokerProcess(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def broker(broker_process: BrokerProcess) -> BrokerProcess:
    """Give the test an empty broker, running whatever the test before did to it."""
    broker_process.renew()
    return broker_process


@pytest.fixture(scope="session")
def tool_process() -> Iterator[ToolProcess]:
    """Run the other systems, in a process of their own."""
    with ToolProcess() as process:
        yield process


@pytest.fixture
def tools(tool_process: ToolProcess) -> Controls:
    """Give the test other systems that have never been called."""
    tool_process.reset()
    return tool_process


@pytest.fixture
def site(
    database_url: str, database: Database, broker: BrokerProcess, tools: Controls, tmp_path: Path
) -> Iterator[Site]:
    """Put them together; whatever workers the test starts are killed afterwards."""
    settings = {
        "TRIAGE_DATABASE_URL": database_url,
        "TRIAGE_BROKER_URL": broker.url,
        "TRIAGE_HOME": str(tmp_path),
        "TRIAGE_EGRESS_ALLOW": '["127.0.0.1"]',
    }
    site = Site(database, broker, tools, tmp_path, settings)
    yield site
    site.close()


@pytest.fixture
def celery_broker(broker: BrokerProcess) -> BrokerNode:
    """Use the tests' own broker as pytest-celery's broker node."""
    return BrokerNode(broker)


@pytest.fixture
def celery_backend_cluster() -> None:
    """Results are ignored: there is no backend."""


@pytest.fixture
def celery_worker(site: Site) -> WorkerNode:
    """Run a worker process as pytest-celery's worker node; the site ends it."""
    return WorkerNode(site.worker())


@pytest.fixture
def celery_setup_cls() -> type[Setup]:
    """Let the setup's app be one that knows nothing but the broker."""
    return Setup
