"""A real browser on a really started console, over runs that a real worker brought to where a person is needed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.integration.conftest import broker_process, tool_process  # noqa: F401 - fixtures
from tests.support import databases, waiting
from tests.support.broker import BrokerProcess
from tests.support.console import Console, serving
from tests.support.site import TICKETS, Site
from tests.tools.servers import chromium, require
from triage.model import Report, Status, ToolClass
from triage.store.database import Database
from triage.store.postgres import PostgresStore
from triage.testing import ToolProcess

OPTIONS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
POLICY = 'name = "careful"\n[approval]\nseverities = ["critical"]\n'
PATIENCE = 15_000.0
"""Milliseconds that the page may take for anything."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the system's Chromium once; it downloads nothing."""
    require("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium.program(), chromium_sandbox=False, args=OPTIONS, timeout=60_000
        )
        yield started
        started.close()


@dataclass
class House:
    """A site with a worker and a console, and its runs by what became of them."""

    site: Site
    console: Console
    runs: dict[str, str] = field(default_factory=dict)

    def submit(self, title: str, **fields: str) -> str:
        """Hand a report in; its run's id."""
        given = {"source": "web", "source_id": title.lower().replace(" ", "-")[:60], "title": title, **fields}
        (submitted,) = PostgresStore(self.site.database).submit_many([Report.model_validate(given)], None)
        return str(submitted.run_id)


@pytest.fixture(scope="module")
def house(
    template: str,
    browser: Browser,  # noqa: ARG001 - without one nothing needs to be started
    broker_process: BrokerProcess,  # noqa: F811 - a fixture
    tool_process: ToolProcess,  # noqa: F811 - a fixture
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[House]:
    """Run all of it for the tests of one file."""
    folder = tmp_path_factory.mktemp("house")
    broker_process.renew()
    tool_process.reset()
    with databases.copied(template) as url:
        database = Database(url)
        settings = {
            "TRIAGE_DATABASE_URL": url,
            "TRIAGE_BROKER_URL": broker_process.url,
            "TRIAGE_HOME": str(folder),
            "TRIAGE_EGRESS_ALLOW": '["127.0.0.1"]',
        }
        site = Site(database, broker_process, tool_process, folder, settings)
        site.judge_by(POLICY)
        site.use_tools(ToolClass.BLIND, timeout=2, quarantine=0.2)
        try:
            with serving(folder, site.settings) as console:
                yield filled(House(site, console), folder)
        finally:
            site.close()
            database.close()


def filled(house: House, folder: Path) -> House:
    """Bring one run into each state, with a worker that goes on working afterwards."""
    site = house.site
    site.ready_worker()
    faults = {"dead": "refuse", "unknown": "commit_then_drop", "done": "none"}
    for name, fault in faults.items():
        site.tools.script(f"{site.kind}/{TICKETS}", fault)
        house.runs[name] = house.submit(f"Export of orders is {name} <b>now</b>", body="Since Monday.\n" * 20)
        settle(house, name)
    house.runs["leave"] = house.submit(
        "Data loss: all orders of a day are gone", body="All data lost after the upgrade."
    )
    settle(house, "leave")
    assert folder.exists()
    return house


def settle(house: House, name: str) -> None:
    """Wait until the run goes on no more by itself."""
    wanted = {"dead": Status.DEAD, "done": Status.DONE}.get(name, Status.HELD)
    query = "select status from run where id = %s"
    site, run_id = house.site, house.runs[name]
    waiting.until(lambda: databases.value(site.database, query, run_id) == wanted, 30, site.tails)


@dataclass
class Watched:
    """A page whose every request and word on the console is kept."""

    page: Page
    hosts: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Begin to watch."""
        self.page.set_default_timeout(PATIENCE)
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"error: {error}"))


@pytest.fixture
def page(house: House, browser: Browser) -> Iterator[Page]:
    """Let somebody in; afterwards no other host was asked for anything, and the browser had nothing to say."""
    context = browser.new_context(base_url=house.console.url, viewport={"width": 1280, "height": 800})
    watched = Watched(context.new_page())
    watched.page.goto(f"/enter?token={house.console.token()}")
    watched.page.get_by_label("Your name").fill("ada")
    watched.page.get_by_role("button", name="Come in").click()
    watched.page.wait_for_url("**/overview")
    watched.page.goto("/runs")
    yield watched.page
    context.close()
    assert watched.hosts == {urlsplit(house.console.url).netloc}
    assert watched.said == []
