"""The pages about the whole in a real browser: Overview, Tools, Deciding, Audit, and what was done at a time."""

import json
import re
from importlib import resources
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import House
from tests.support.databases import query, value
from triage.store.corrections import Corrections
from triage.store.models import Models
from triage.store.tool_box import ToolBox

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
SERIOUS = {"serious", "critical"}
TRACKER, NOTIFIER = "webhook-tracker", "webhook-notifier"
BINS = [{"cases": 40, "confidence": 0.55, "right": 0.5}, {"cases": 160, "confidence": 0.95, "right": 0.975}]
NUMBERS = {"labels": 200, "accuracy": 0.88, "coverage": 0.6, "accuracy_at_target": 0.95, "bins": BINS}
OLD, NEW = "learned-000000000001", "learned-000000000002"
PATHS = (
    "/overview",
    "/overview?range=30d",
    "/tools",
    f"/tools/disable?tool={TRACKER}",
    "/tools/enable?tool=*",
    "/deciding",
    f"/deciding/use?version={OLD}",
    "/deciding/rollback",
    "/audit",
    "/audit?who=nobody-at-all",
    "/at",
    "/at?at=soon",
)


@pytest.fixture(scope="module", autouse=True)
def happened(house: House) -> None:
    """People have done something, and models are there."""
    models = Models(house.site.database)
    for version in (OLD, NEW):
        models.save(version, b"none", NUMBERS, by="grace", use=True, why="more labels")
    Corrections(house.site.database).add(run_of(house, "done"), "kind", "question", by="grace", origin="person")


def run_of(house: House, name: str) -> object:
    """The run's id as the stores want it."""
    return value(house.site.database, "select id from run where id = %s::uuid", house.runs[name])


def tile(page: Page, title: str) -> Locator:
    """A figure with its title."""
    return page.locator(".tile", has=page.get_by_role("heading", name=title))


def row(page: Page, text: str | re.Pattern[str]) -> Locator:
    """A table's row."""
    return page.get_by_role("row").filter(has_text=text).first


def counted(house: House, text: str) -> int:
    """A number from the database."""
    return int(value(house.site.database, text))


def test_the_overview_is_true(house: House, page: Page) -> None:
    """Its figures are those of the database."""
    page.goto("/overview?range=1h")
    done = counted(house, "select count(*) from run where status = 'done'")
    held = counted(house, "select count(*) from run where status = 'held'")
    dead = counted(house, "select count(*) from run where status = 'dead'")
    tried = counted(house, "select count(*) from attempt where stage = 'create_ticket'")
    expect(tile(page, "Done, last 1 hour").locator(".big")).to_have_text(str(done))
    expect(tile(page, "Needs a person").locator(".big")).to_have_text(str(held + dead))
    expect(tile(page, "Needs a person")).to_contain_text(f"1 for leave, 1 unknown, {dead} gave up")
    expect(tile(page, "Workers").locator(".big")).to_have_text("1")
    expect(row(page, "Create ticket").get_by_role("cell").first).to_have_text(str(tried))
    expect(tile(page, "Completeness")).to_contain_text(f"{dead} bad of {done + dead}")
    expect(page.get_by_label("What fires")).to_contain_text(f"{dead} run gave up")
    expect(page.get_by_text("TriageDeadLetters")).to_be_visible()


def test_a_chart_can_be_read_without_seeing_it(house: House, page: Page) -> None:
    """Each chart has a title, a sentence, and its numbers in a table behind a click."""
    page.goto("/overview?range=6h")
    received = counted(house, "select count(*) from run")
    chart = page.get_by_role("img", name="Came in and done")
    assert f"{received} runs came in" in (chart.locator("desc").text_content() or "")
    assert page.locator("figure.chart").count() == 3 + 3 * 4
    page.get_by_text("These numbers as a table").click()
    cells = page.get_by_role("region", name="Numbers of all runs").locator("tbody td:nth-child(2)")
    assert sum(int(text) for text in cells.all_inner_texts()) == received
    page.get_by_role("link", name="30 days").click()
    expect(page).to_have_url(re.compile("range=30d"))
    expect(page.get_by_role("heading", name="Done, last 30 days")).to_be_visible()


def test_the_overview_stays_up_to_date(house: House, page: Page) -> None:
    """What comes in while it is looked at is shown, and what was opened stays open."""
    page.goto("/overview")
    page.get_by_text("These numbers as a table").click()
    was = int(tile(page, "Done, last 1 hour").locator(".big").inner_text())
    house.submit("A report while Overview is open")
    expect(tile(page, "Done, last 1 hour").locator(".big")).to_have_text(str(was + 1))
    expect(page.get_by_role("region", name="Numbers of all runs")).to_be_visible()


def test_a_tool_is_stopped_and_put_back(house: House, page: Page) -> None:
    """The switch asks first, wants a reason, reaches the database with its author, and is taken back."""
    page.goto("/tools")
    expect(row(page, TRACKER)).to_contain_text("in service")
    row(page, TRACKER).get_by_role("link", name="Disable …").click()
    expect(page.get_by_role("heading", name=f"Stop {TRACKER}?")).to_be_visible()
    assert value(house.site.database, "select count(*) from tool_event where what = 'disabled'") == 0
    page.get_by_label("Why").fill("wrong project")
    page.get_by_role("button", name=f"Stop {TRACKER}").click()
    expect(page.get_by_role("status").first).to_contain_text(f"{TRACKER} is out of service")
    expect(row(page, TRACKER)).to_contain_text("by ada: wrong project")
    row(page, TRACKER).get_by_role("link", name="Enable …").click()
    page.get_by_role("button", name="Put back in service").click()
    expect(row(page, TRACKER)).to_contain_text("in service")
    found = query(
        house.site.database, "select what, detail ->> 'by' from tool_event where tool = %s order by id", TRACKER
    )
    assert [tuple(one) for one in found][-2:] == [("disabled", "ada"), ("enabled", "ada")]


def test_everything_is_stopped_at_once(house: House, page: Page) -> None:
    """One switch holds all tools; a reason has to be given, also without the browser's own check."""
    page.goto("/tools")
    page.get_by_role("link", name="Stop everything …").click()
    page.get_by_label("Why").evaluate("field => field.required = false")
    page.get_by_role("button", name="Stop everything").click()
    expect(page.get_by_role("alert")).to_contain_text("Say why")
    page.get_by_label("Why").fill("fire")
    page.get_by_role("button", name="Stop everything").click()
    expect(page.get_by_text("everything is off")).to_be_visible()
    ToolBox(house.site.database, "bob").enable("*", "out")
    expect(page.get_by_text("Tools may send.")).to_be_visible()


def test_a_breaker_is_closed_and_a_duplicate_shown(house: House, page: Page) -> None:
    """An open breaker and two objects with one key stand on Tools and on Overview until they are over."""
    database = house.site.database
    query(
        database,
        "insert into tool_state (tool, failures, trips, open_until, last_error) values "
        "(%s, 12, 1, now() + interval '5 minutes', 'status 503') on conflict (tool) do update "
        "set failures = 12, trips = 1, open_until = excluded.open_until, last_error = excluded.last_error",
        NOTIFIER,
    )
    query(database, "insert into duplicate (tool, key, remote_ids) values (%s, 'k1', '{T-1,T-2}')", TRACKER)
    page.goto("/overview")
    expect(page.get_by_label("What fires")).to_contain_text(f"{NOTIFIER} failed 12 times in a row")
    page.get_by_role("link", name=f"{NOTIFIER} failed 12 times").click()
    expect(page.get_by_role("region", name="Duplicates", exact=True)).to_contain_text("T-1, T-2")
    row(page, NOTIFIER).get_by_role("link", name="Close breaker …").click()
    page.get_by_role("button", name="Close the breaker").click()
    expect(row(page, NOTIFIER)).to_contain_text("closed")
    query(database, "delete from duplicate")


def test_deciding_tells_who_decides_and_how_well(house: House, page: Page) -> None:
    """Shares, corrections and the calibration of the model in use are those of the database."""
    page.goto("/deciding")
    corrected = counted(house, "select count(distinct run_id) from standing_correction")
    decided = counted(house, "select count(*) from decision where decided_by = 'rules'")
    expect(row(page, re.compile("^rules")).get_by_role("cell").nth(1)).to_have_text(str(decided))
    figures = page.get_by_role("region", name="Corrections").locator("tbody td:nth-child(5)").all_inner_texts()
    assert sum(map(int, figures)) == corrected == 1
    chart = page.get_by_role("img", name="Calibration of the model in use")
    assert "160 decisions, sure to 95%, were right in 98%" in (chart.locator("desc").text_content() or "")
    assert chart.locator("circle").count() == len(BINS)


def test_a_model_is_used_and_rolled_back(house: House, page: Page) -> None:
    """Both ask first and leave a row with their author; going back leads to what was in use before."""
    models = Models(house.site.database)
    models.use(NEW, by="grace")
    page.goto("/deciding")
    row(page, OLD).get_by_role("link", name="Use …").click()
    assert models.in_use() == NEW
    page.get_by_label("Why").fill("the new one is worse")
    page.get_by_role("button", name="Use this model").click()
    expect(row(page, OLD)).to_contain_text("in use")
    assert (models.history(1)[0].by_whom, models.in_use()) == ("ada", OLD)
    row(page, OLD).get_by_role("link", name="Roll back …").click()
    page.get_by_role("button", name="Roll back").click()
    expect(row(page, NEW)).to_contain_text("in use")
    assert models.in_use() == NEW


def test_the_audit_tells_who_did_what(house: House, page: Page) -> None:
    """Deeds of all kinds stand there at once, and are found by who, what and when."""
    ToolBox(house.site.database, "eve").disable(NOTIFIER, "a test")
    ToolBox(house.site.database, "eve").enable(NOTIFIER, "the test is over")
    page.goto("/audit")
    for told in ("a test", "kind: bug → question", "more labels"):
        expect(row(page, told)).to_be_visible()
    page.get_by_label("Who").fill("EVE")
    page.locator("select[name=what]").select_option("disabled")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#live tbody tr")).to_have_count(1)
    expect(page.locator("#live tbody tr")).to_contain_text("a test")
    page.goto("/audit?who=eve&until=2020-01-01 00:00")
    expect(page.get_by_text("Nothing is like that.")).to_be_visible()
    page.goto("/audit?since=soon")
    expect(page.get_by_role("alert")).to_contain_text("is no time")


def test_a_time_is_asked_about(house: House, page: Page) -> None:
    """The field on Overview leads to what was done then, with a way to each run."""
    page.goto("/overview")
    page.get_by_placeholder("tuesday 3:47 pm").fill(quote("not a time"))
    page.get_by_role("button", name="What was done then?").click()
    expect(page.get_by_role("alert")).to_contain_text("is no time")
    began = value(house.site.database, "select to_char(min(created_at), 'YYYY-MM-DD HH24:MI:SSOF') from run")
    page.goto(f"/at?at={quote(began)}&for=1h")
    received = counted(house, "select count(*) from run")
    expect(page.get_by_label("In short")).to_contain_text(f"{received} reports came in")
    page.get_by_role("link", name=f"Run {house.runs['dead']}").click()
    expect(page).to_have_url(re.compile(house.runs["dead"]))


def test_the_keyboard_is_enough_for_a_switch(page: Page) -> None:
    """A tool is stopped up to the question, and left alone, with keys only."""
    page.goto("/tools")
    link = row(page, TRACKER).get_by_role("link", name="Disable …")
    for _ in range(40):
        page.keyboard.press("Tab")
        if link.evaluate("link => link === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_label("Why")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/tools$"))
    expect(row(page, TRACKER)).to_contain_text("in service")


def test_no_news_of_the_overview_are_fetched_for_a_hidden_tab(page: Page) -> None:
    """While nobody can see the page it asks for nothing."""
    page.goto("/overview")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
    page.wait_for_timeout(400)
    asked.clear()
    page.wait_for_timeout(4_500)
    assert asked == []


def test_the_pages_about_the_whole_fit_a_phone(page: Page) -> None:
    """At 375 pixels nothing makes the page itself wider than the screen."""
    page.set_viewport_size({"width": 375, "height": 760})
    for path in PATHS:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") == 375, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_about_the_whole_are_accessible(page: Page, scheme: str) -> None:
    """The accessibility engine axe has no serious finding on any of them, in either colours."""
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark", reduced_motion="reduce")
    found: list[str] = []
    for path in PATHS:
        page.goto(path)
        page.evaluate(AXE)
        results = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found += [
            f"{path}: {one['id']}: {json.dumps([node['html'][:120] for node in one['nodes'][:3]])}"
            for one in results["violations"]
            if one["impact"] in SERIOUS
        ]
    assert found == []
