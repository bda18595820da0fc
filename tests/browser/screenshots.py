"""`python -m tests.browser.screenshots`: pictures of the console for the README, taken from the running product.

A private product: a month of made-up runs, then the sample reports, filed by a real worker while the other system is
made to refuse one, to lose the answer to another, and while what is critical needs leave.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.bench import million
from tests.browser.conftest import OPTIONS, PATIENCE, POLICY
from tests.support import databases, waiting
from tests.support.broker import BrokerProcess
from tests.support.console import ROOT, Console, serving
from tests.support.site import TICKETS, Site
from tests.tools.servers import chromium
from triage import local, samples
from triage.model import Report, ToolClass
from triage.store import migrate
from triage.store.database import Database
from triage.store.postgres import PostgresStore
from triage.testing import ToolProcess

FOLDER = ROOT / "deploy" / "screenshots"
MONTH = 20_000
"""Made-up runs of the last 30 days."""
WIDTH, HEIGHT = 1240, 860
MOST_BYTES = 150_000
COLOURS = (256, 128, 64)


def main() -> None:
    """Make the scene, take the pictures, say how large they are."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    parser.add_argument("--keep", action="store_true", help="then go on serving until Enter, and print a link")
    options = parser.parse_args()
    if why := chromium.missing():
        sys.exit(why)
    options.folder.mkdir(parents=True, exist_ok=True)
    with scene() as (site, console, run_id):
        pictures(console, run_id, options.folder)
        if options.keep:
            print(console.url, console.new_link(), site.database.engine.url.render_as_string(hide_password=False))
            sys.stdin.readline()


@contextmanager
def scene() -> Iterator[tuple[Site, Console, str]]:
    """The product with something to see; the last is a run that was tried more than once."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="triage-screenshots-")))
        site = stack.enter_context(_site(folder))
        million.fill(site.settings["TRIAGE_DATABASE_URL"], MONTH, 0)
        site.ready_worker(slots=8)
        run_id = _trouble(site)
        console = stack.enter_context(serving(folder, site.settings))
        yield site, console, run_id


@contextmanager
def _site(folder: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        lease = stack.enter_context(local.attach(folder / "home"))
        tools = stack.enter_context(ToolProcess())
        broker = BrokerProcess(folder)
        broker.start()
        stack.callback(broker.kill)
        migrate.migrate(lease.endpoints.database_url)
        database = Database(lease.endpoints.database_url)
        stack.callback(database.close)
        settings = {
            "TRIAGE_DATABASE_URL": lease.endpoints.database_url,
            "TRIAGE_BROKER_URL": broker.url,
            "TRIAGE_HOME": str(folder),
            "TRIAGE_EGRESS_ALLOW": '["127.0.0.1"]',
        }
        site = Site(database, broker, tools, folder, settings)
        stack.callback(site.close)
        site.judge_by(POLICY)
        site.use_tools(ToolClass.BLIND, timeout=2, quarantine=0.2)
        yield site


def _trouble(site: Site) -> str:
    """File the samples, with one refused, one whose answer is lost, and one that takes two attempts."""
    first, second, third, *others = samples.load()
    for fault, report in (("refuse", first), ("commit_then_drop", second)):
        site.tools.script(f"{site.kind}/{TICKETS}", fault)
        _settle(site, [report])
    site.tools.script(f"{site.kind}/{TICKETS}", "429")
    (retried,) = _settle(site, [third])
    _settle(site, others)
    return retried


def _settle(site: Site, reports: list[Report]) -> list[str]:
    """Hand them in, and wait until none goes on by itself; the ids of their runs."""
    ids = [one.run_id for one in PostgresStore(site.database).submit_many(reports, None)]
    text = "select bool_and(status <> 'active') from run where id = any(%s)"
    waiting.until(lambda: bool(databases.value(site.database, text, ids)), 60, site.tails)
    return [str(one) for one in ids]


def pictures(console: Console, run_id: str, folder: Path) -> None:
    """Each page once, in light colours; Overview in dark ones too."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.program(), chromium_sandbox=False, args=OPTIONS)
        context = browser.new_context(base_url=console.url, viewport={"width": WIDTH, "height": HEIGHT})
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        _come_in(page, console)
        for name, path in (("overview", "/overview?range=24h"), ("run", f"/runs/{run_id}"), ("person", "/person")):
            _picture(page, path, folder / f"{name}.png")
        page.emulate_media(color_scheme="dark")
        _picture(page, "/overview?range=24h", folder / "overview-dark.png")
        browser.close()


def _come_in(page: Page, console: Console) -> None:
    page.goto(f"/enter?token={console.token()}")
    page.get_by_label("Your name").fill("ada")
    page.get_by_role("button", name="Come in").click()
    page.get_by_role("navigation", name="Pages").wait_for()


def _picture(page: Page, path: str, to: Path) -> None:
    """A PNG with as many colours as fit into `MOST_BYTES`."""
    page.goto(path)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=to)
    with Image.open(to) as full:
        whole = full.convert("RGB")
    for colours in COLOURS:
        whole.quantize(colours, dither=Image.Dither.NONE).save(to, optimize=True)
        if to.stat().st_size <= MOST_BYTES:
            break
    print(f"{to.name}: {to.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
