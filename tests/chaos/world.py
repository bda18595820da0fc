"""The servers, the other systems and the workers of one chaos run."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.schedule import WORKERS
from tests.support.broker import BrokerProcess
from tests.support.databases import wait_until_processes_can_die
from tests.support.site import NOTICES, TICKETS, Site
from tests.support.workers import WorkerProcess
from triage import local
from triage.model import ToolClass
from triage.store import migrate
from triage.store.database import Database
from triage.testing import ToolProcess

SLOTS = 12
TIMEOUT, QUARANTINE = 1.5, 3.0
"""Of a call, in seconds."""
DELAY, READ_TIMEOUT, INDEX_LAG = 0.3, 1.0, 0.5
"""Of the other systems: they give up on half a request, and their index shows an object, before a quarantine ends."""
LATE = 2.0
"""When a late commit comes: after the call was given up, and within its quarantine."""
QUEUE_LOW, QUEUE_HIGH = 40, 120
ATTEMPTS = 100
PRIVATE = '["127.0.0.0/8", "10.0.0.0/8"]'
"""Where the other systems are in both modes."""
ENDPOINTS = {"TRACKER": f"{ToolClass.FINDABLE}/{TICKETS}", "NOTIFIER": f"{ToolClass.KEYED}/{NOTICES}"}
Addresses = tuple[str, str, str]
"""Where a worker reaches Postgres, the broker, and the other systems, as URLs."""


@dataclass
class World:
    """Everything there is; `home` is the folder of the database's server."""

    site: Site
    home: Path
    tools: ToolProcess

    @property
    def addresses(self) -> Addresses:
        """As the driver reaches them."""
        return self.site.settings["TRIAGE_DATABASE_URL"], self.site.broker.url, self.tools.url


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker runs: what its command starts with, and where it reaches the servers."""

    prefix: tuple[str, ...]
    addresses: Addresses


@contextmanager
def built(folder: Path) -> Iterator[World]:
    """Servers, without workers yet; everything ends with the block."""
    with ExitStack() as stack:
        home, broker_folder = folder / "home", folder / "broker"
        broker_folder.mkdir()
        lease = stack.enter_context(local.attach(home))
        url = lease.endpoints.database_url
        migrate.migrate(url)
        database = Database(url)
        stack.callback(database.close)
        broker = BrokerProcess(broker_folder)
        stack.callback(broker.kill)
        broker.start()
        tools = stack.enter_context(ToolProcess(delay=DELAY, read_timeout=READ_TIMEOUT, index_lag=INDEX_LAG))
        site = Site(database, broker, tools, folder, {"TRIAGE_DATABASE_URL": url})
        stack.callback(site.close)
        yield World(site, home, tools)


def start_workers(world: World, places: Sequence[Place] = ()) -> None:
    """Start them all and wait until they serve; without places they run beside the driver."""
    for number in range(WORKERS):
        place = places[number] if places else Place((), world.addresses)
        settings = settings_at(place.addresses) | {"TRIAGE_HOME": str(world.site.folder)}
        worker = WorkerProcess(world.site.folder, f"w{number + 1}", settings, slots=SLOTS)
        worker._command = [*place.prefix, *worker._command]
        world.site.workers.append(worker)
        worker.start()
    for worker in world.site.workers:
        worker.wait_ready()
    wait_until_processes_can_die(world.site.database)


def settings_at(addresses: Addresses) -> dict[str, str]:
    """A worker's settings: a tracker that can be asked, and a notifier with a key of its own."""
    database, broker, tools = addresses
    found = {"TRIAGE_DATABASE_URL": database, "TRIAGE_BROKER_URL": broker, "TRIAGE_ATTEMPTS": str(ATTEMPTS)}
    found["TRIAGE_EGRESS_ALLOW"] = PRIVATE
    found |= {"TRIAGE_QUEUE_LOW": str(QUEUE_LOW), "TRIAGE_QUEUE_HIGH": str(QUEUE_HIGH)}
    for tool, endpoint in ENDPOINTS.items():
        url = f"{tools}/{endpoint}"
        times = {"TIMEOUT": f"PT{TIMEOUT:g}S", "QUARANTINE": f"PT{QUARANTINE:g}S"}
        given = {"KIND": "webhook", "URL": url, "TOOL_CLASS": endpoint.partition("/")[0], **times}
        given |= {"FIND_URL": url} if endpoint.startswith(ToolClass.FINDABLE) else {}
        found |= {f"TRIAGE_{tool}__{name}": text for name, text in given.items()}
    return found
