"""The console's pages in a real browser: content, actions, news, keyboard, colours, small screens, accessibility."""

import json
import re
from collections.abc import Iterator
from importlib import resources
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import House
from tests.support import waiting
from tests.support.databases import query, value
from triage.model import Status
from triage.store.approvals import Approvals
from triage.store.corrections import Corrections
from triage.store.runs import Runs

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
SERIOUS = {"serious", "critical"}


def paths(house: House) -> Iterator[str]:
    """Every kind of page here."""
    runs = house.runs
    yield from ("/runs", "/runs?status=dead&q=export", "/runs?q=nothing-at-all", "/person", "/enter")
    yield from (f"/runs/{run_id}" for run_id in runs.values())
    yield from (f"/runs/{runs['dead']}/{what}" for what in ("redrive", "cancel", "fork", "correct", "report"))
    yield f"/runs/{runs['unknown']}/resolve"
    yield f"/approvals/{leave(house)}"


def leave(house: House) -> int:
    """The number of the approval that was asked for."""
    return int(value(house.site.database, "select max(id) from approval"))


def status(house: House, run_id: str) -> Status:
    """How a run stands."""
    return Runs(house.site.database).get(UUID(run_id)).status


def authors(house: House, run_id: str) -> list[tuple[str, str]]:
    """Who did what to a run."""
    rows = query(house.site.database, "select what, detail ->> 'by' from event where run_id = %s order by id", run_id)
    return [(row[0], row[1]) for row in rows]


def row(page: Page, run_id: str) -> Locator:
    """The run's line on the Runs page."""
    return page.locator(f"#r-{run_id}")


def test_the_link_works_once(house: House, browser: Browser) -> None:
    """The link that is printed lets one browser in and no second one."""
    for expected in ("Overview", "A link lets you in"):
        context = browser.new_context()
        visitor = context.new_page()
        visitor.goto(house.console.link)
        if expected == "Overview":
            visitor.get_by_role("button", name="Come in").click()
        expect(visitor.get_by_role("heading", level=1)).to_have_text(expected)
        context.close()


def test_runs_show_what_is_there(house: House, page: Page) -> None:
    """The list has every run with its title as it was written and its status; filters stay in the address."""
    for name, run_id in house.runs.items():
        expect(row(page, run_id)).to_contain_text({"unknown": "held", "leave": "held"}.get(name, name))
    expect(row(page, house.runs["done"])).to_contain_text("Export of orders is done <b>now</b>")
    page.get_by_label(re.compile("Title, source id")).fill("export")
    page.locator("label.chip", has_text="dead").click()
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/runs?q=export&status=dead**")
    expect(page.locator("table.runs tbody tr")).to_have_count(1)
    page.reload()
    expect(page.locator("table.runs tbody tr")).to_have_count(1)
    expect(page.get_by_role("status").first).to_have_text("1 run")
    page.get_by_role("link", name="Clear").click()
    expect(page.locator("table.runs tbody tr")).to_have_count(len(house.runs))


def test_a_run_tells_its_story(house: House, page: Page) -> None:
    """The page of a run has why it stands so, the waterfall with what each bar is, its calls, and what happened."""
    page.goto(f"/runs/{house.runs['dead']}")
    expect(page.locator(".stand")).to_contain_text("Gave up at create ticket")
    bars = page.locator("svg.lane[role=img]")
    expect(bars.first).to_be_visible()
    assert any("dead" in (text or "") for text in bars.locator("title").all_text_contents())
    expect(page.locator("article.call").first).to_contain_text("refused")
    page.get_by_text("What is sent").first.click()
    expect(page.locator("article.call pre").first).to_contain_text('"title"')
    expect(page.locator(".history")).to_contain_text("create ticket, attempt 1: dead")
    page.goto(f"/runs/{house.runs['unknown']}")
    expect(page.locator(".stand")).to_contain_text("find out what happened")
    page.goto(f"/runs/{house.runs['done']}")
    expect(page.locator(".stand")).to_contain_text("Done after")


def test_news_come_by_themselves(house: House, page: Page) -> None:
    """A new run appears without a reload, and what was opened, chosen or focused stays as it was."""
    chosen = row(page, house.runs["done"]).get_by_role("checkbox")
    chosen.check()
    run_id = house.submit("A new report that comes in meanwhile")
    expect(row(page, run_id)).to_be_visible()
    expect(chosen).to_be_checked()
    page.goto(f"/runs/{house.runs['done']}")
    opened = page.locator("details", has_text="All of the decision")
    opened.locator("summary").click()
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        pass
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        pass
    expect(opened.locator("pre")).to_be_visible()
    expect(opened.locator("summary")).to_be_focused()


def test_no_news_are_fetched_for_a_hidden_tab(page: Page) -> None:
    """While nobody can see the page it asks for nothing, and asks at once when it is seen again."""
    page.evaluate("Object.defineProperty(document, 'hidden', {get: () => window.away === true, configurable: true})")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("window.away = true")
    page.wait_for_timeout(400)
    asked.clear()
    page.wait_for_timeout(4_500)
    assert asked == []
    page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(700)
    assert len(asked) == 1


def test_a_call_of_unknown_outcome_is_resolved(house: House, page: Page) -> None:
    """A person says that it happened, with the object's id; the run goes on, and who said so is kept."""
    page.goto("/person")
    page.locator("section", has=page.get_by_role("heading", name="Did it happen?")).get_by_role(
        "link", name="Say …"
    ).click()
    page.get_by_label("It happened: the object is there").check()
    page.get_by_label("Its id").fill("BUG-17")
    page.get_by_label("Its address").fill("https://bugs.example/17")
    page.get_by_role("button", name="Keep, and go on").click()
    expect(page.locator(".note.done")).to_contain_text("it happened")
    run_id = house.runs["unknown"]
    waiting.until(lambda: status(house, run_id) is Status.DONE, 20, house.site.tails)
    expect(page.locator(".stand")).to_contain_text("Done after")
    assert authors(house, run_id) == [("resolved", "ada")]
    page.goto("/runs")
    page.get_by_text("More filters").click()
    page.get_by_label("Ticket id or address").fill("BUG-17")
    page.get_by_role("button", name="Search").click()
    expect(row(page, run_id)).to_be_visible()
    expect(page.locator("table.runs tbody tr")).to_have_count(1)


def test_leave_is_given_for_what_is_shown(house: House, page: Page) -> None:
    """The page shows exactly what would be sent and its digest; a denial needs a reason; leave lets the run go on."""
    number, run_id = leave(house), house.runs["leave"]
    page.goto("/person")
    page.get_by_role("link", name="Look …").click()
    expect(page.locator("main")).to_contain_text(Approvals(house.site.database).get(number).digest.hex())
    expect(page.locator("pre.text")).to_contain_text("Data loss: all orders of a day are gone")
    page.get_by_role("button", name="Deny, for good").click()
    expect(page.get_by_role("alert")).to_contain_text("Say why")
    assert status(house, run_id) is Status.HELD
    page.get_by_label("Why").fill("seen with support")
    page.get_by_role("button", name="Give leave for exactly this").click()
    expect(page.locator(".note.done")).to_contain_text("is approved")
    said = Approvals(house.site.database).get(number).said
    assert [(one["by"], one["leave"], one["why"]) for one in said] == [("ada", True, "seen with support")]


def test_a_decision_is_corrected_and_a_run_forked_and_cancelled(house: House, page: Page) -> None:
    """Each of them asks on a page of its own, is done once, told, and recorded with its author."""
    run_id = house.runs["dead"]
    page.goto(f"/runs/{run_id}")
    page.get_by_role("link", name="Correct …").click()
    page.get_by_label("Kind").select_option("performance")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator(".note.done")).to_contain_text("kind is performance")
    assert Corrections(house.site.database).standing(UUID(run_id)) == {"kind": "performance"}
    page.get_by_role("link", name="Fork …").click()
    page.get_by_role("button", name="Fork").click()
    expect(page.locator(".note.done")).to_contain_text("this is the new run")
    forked = page.url.rpartition("/")[2]
    assert forked != run_id and authors(house, forked)[0] == ("forked", "ada")
    page.get_by_role("link", name=re.compile(run_id[:8])).click()
    page.get_by_role("link", name="Cancel …").click()
    page.get_by_label("Why").fill("filed by hand")
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator(".stand")).to_contain_text("filed by hand")
    assert status(house, run_id) is Status.CANCELLED


def test_a_group_of_dead_letters_is_redriven(house: House, page: Page) -> None:
    """Runs that gave up alike are one line; all of them go on after one question, with progress and a result."""
    site = house.site
    site.tools.script(f"{site.kind}/tickets", "refuse", "refuse")
    ids = [house.submit(f"Group of dead letters number {number}") for number in range(2)]
    waiting.until(lambda: all(status(house, one) is Status.DEAD for one in ids), 20, site.tails)
    page.goto("/person")
    line = page.locator("tr", has=page.get_by_role("button", name=re.compile("Redrive all")))
    expect(line).to_contain_text("2")
    line.get_by_role("button").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Redrive 2 runs?")
    page.get_by_role("button", name="Redrive 2").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Redrive: finished")
    waiting.until(lambda: all(status(house, one) is Status.DONE for one in ids), 20, site.tails)
    assert authors(house, ids[0]) == [("redriven", "ada")]


def test_what_many_runs_would_do_is_shown_first(page: Page) -> None:
    """The bulk actions of the Runs page say how many will change and how many not, before anything does."""
    page.goto("/runs?q=export")
    page.get_by_label("all that match").check()
    page.get_by_role("button", name="Retry …").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(r"Retry \d+ runs?\?"))
    expect(page.locator("ul.facts")).to_contain_text("will stay as they are")
    page.get_by_role("link", name=re.compile("Do nothing|Back")).click()
    page.wait_for_url("**/runs?q=export")


def test_without_javascript_everything_works(house: House, browser: Browser) -> None:
    """With scripts off a run is found, opened, asked about and retried."""
    context = browser.new_context(base_url=house.console.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"/enter?token={house.console.token()}")
    page.get_by_role("button", name="Come in").click()
    page.goto("/runs?q=export+done")
    page.get_by_role("link", name=re.compile("Export of orders is done")).click()
    page.get_by_role("link", name="Correct …").click()
    page.get_by_label("Component").fill("orders")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator(".note.done")).to_contain_text("component is orders")
    context.close()


def test_the_keyboard_is_enough(house: House, page: Page) -> None:
    """Skip link, search by slash, a run opened and its action asked, without a mouse; the focus can be seen."""
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("export done")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs?q=export+done**")
    link = page.get_by_role("link", name=re.compile("Export of orders is done"))
    reach(page, link)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/runs/{house.runs['done']}")
    reach(page, page.get_by_role("link", name="Fork …"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Fork this run?")


def reach(page: Page, wanted: Locator) -> None:
    """Go there with Tab alone."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
    pytest.fail("the keyboard does not lead there")


def test_colours_follow_the_system_and_the_choice(page: Page) -> None:
    """Dark and light come from the system until somebody chooses, and the choice stays."""
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(ground)
    assert dark != light
    page.get_by_role("button", name="dark colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate(ground) == dark
    page.goto("/person")
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="auto colours").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "auto")
    assert page.evaluate(ground) == light


def test_pages_fit_a_phone(house: House, page: Page) -> None:
    """At 375 px no page scrolls sideways."""
    page.set_viewport_size({"width": 375, "height": 740})
    for path in paths(house):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(house: House, page: Page, scheme: str) -> None:
    """The accessibility engine axe has no serious finding on any page, in either colours."""
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark", reduced_motion="reduce")
    found: list[str] = []
    for path in paths(house):
        page.goto(path)
        page.evaluate(AXE)
        results = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found += [
            f"{path}: {one['id']}: {json.dumps([node['html'][:120] for node in one['nodes'][:3]])}"
            for one in results["violations"]
            if one["impact"] in SERIOUS
        ]
    assert found == []
