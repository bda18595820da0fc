"""The guarded door in real workers: leave, switches, limits, follow-ups, and what a hijacked decision comes to."""

import json
import time
from uuid import UUID

import pytest

from tests.support import waiting
from tests.support.databases import query, value
from tests.support.site import NOTICES, TICKETS, Site, report
from triage.errors import NotAllowed
from triage.model import Report, Status, ToolClass
from triage.store.approvals import Approvals, ApprovalView
from triage.store.operations import Operations
from triage.store.postgres import PostgresStore
from triage.store.runs import Runs
from triage.store.tool_box import ALL, ToolBox

CRITICAL = {"title": "Data loss: all orders of a day are gone", "body": "All data lost after the upgrade."}


def submit(site: Site, given: Report) -> UUID:
    """Hand a report in; its run."""
    (submitted,) = PostgresStore(site.database).submit_many([given], None)
    return submitted.run_id


def asked(site: Site) -> ApprovalView:
    """The one request that waits for leave."""
    (one,) = Approvals(site.database).asked()
    return one


def wait_asked(site: Site, run_id: UUID) -> ApprovalView:
    """Wait until the run asks for leave."""
    site.wait([run_id], status=Status.HELD)
    return asked(site)


def test_nothing_leaves_without_leave_and_all_of_it_with(site: Site) -> None:
    """A ticket that needs leave is not sent until two people gave it, and is then sent once."""
    site.judge_by('name = "careful"\n[approval]\npurposes = ["tickets"]\npeople = 2\n')
    site.use_tools(ToolClass.BLIND)
    site.ready_worker()
    (run_id,) = site.submit()
    one = wait_asked(site, run_id)
    assert site.entry(TICKETS).attempts == 0
    approvals = Approvals(site.database)
    assert approvals.decide(one.id, one.digest, leave=True, by="ada") == "pending"
    with pytest.raises(NotAllowed, match="your word"):
        approvals.decide(one.id, one.digest, leave=True, by="ada")
    assert approvals.decide(one.id, one.digest, leave=True, by="bob") == "approved"
    site.wait([run_id])
    site.assert_once_each([run_id])
    assert [entry["by"] for entry in approvals.get(one.id).said] == ["ada", "bob"]
    assert approvals.get(one.id).used_at is not None


def test_a_denial_is_final_and_is_told(site: Site) -> None:
    """A ticket that was denied is never sent: the run ends with who denied it and why."""
    site.judge_by('name = "careful"\n[approval]\npurposes = ["tickets"]\n')
    site.use_tools(ToolClass.KEYED)
    site.ready_worker()
    (run_id,) = site.submit()
    one = wait_asked(site, run_id)
    assert Approvals(site.database).decide(one.id, one.digest, leave=False, by="ada", why="spam") == "denied"
    line = Runs(site.database).get(run_id)
    assert (line.status, line.reason) == (Status.DEAD, "ada denied leave: spam")
    assert site.entry(TICKETS).attempts == 0
    with pytest.raises(NotAllowed, match="denied already"):
        Approvals(site.database).decide(one.id, one.digest, leave=True, by="bob")


def test_leave_is_for_exactly_one_request(site: Site) -> None:
    """Leave for another digest, or after it has expired, changes nothing."""
    site.judge_by('name = "careful"\n[approval]\npurposes = ["tickets"]\n')
    site.ready_worker()
    (run_id,) = site.submit()
    one = wait_asked(site, run_id)
    approvals = Approvals(site.database)
    with pytest.raises(NotAllowed, match="another request"):
        approvals.decide(one.id, bytes(32), leave=True, by="ada")
    query(site.database, "update approval set expires_at = now()")
    with pytest.raises(NotAllowed, match="expired"):
        approvals.decide(one.id, one.digest, leave=True, by="ada")
    assert value(site.database, "select count(*) from local_ticket") == 0


def test_what_was_said_outlives_a_redrive_and_ends_with_the_run(site: Site) -> None:
    """Asking again keeps the first person's word, and a cancelled run waits for nobody's."""
    site.judge_by('name = "careful"\n[approval]\npurposes = ["tickets"]\npeople = 2\n')
    site.ready_worker()
    (run_id,) = site.submit()
    one, approvals = wait_asked(site, run_id), Approvals(site.database)
    approvals.decide(one.id, one.digest, leave=True, by="ada")
    people = Operations(site.database, "ada")
    people.redrive(run_id)
    site.wait([run_id], status=Status.HELD)
    assert [entry["by"] for entry in asked(site).said] == ["ada"]
    people.cancel(run_id)
    assert approvals.asked() == []
    with pytest.raises(NotAllowed, match="cancelled"):
        approvals.decide(one.id, one.digest, leave=True, by="bob")


def test_a_switch_holds_everybody_within_a_second_and_loses_nothing(site: Site) -> None:
    """Once all tools are out of service no worker calls one; back in service every run that waited ends well."""
    site.use_tools(ToolClass.KEYED)
    site.ready_worker()
    site.ready_worker()
    box = ToolBox(site.database, "ada")
    box.disable(ALL, "wrong project")
    time.sleep(1)
    ids = site.submit(20)
    waiting.until(lambda: len(waiters(site)) == len(ids), 20, site.tails)
    assert site.entry(TICKETS).attempts == 0
    assert "wrong project" in str(Runs(site.database).get(ids[0]).reason)
    assert box.enable(ALL) == len(ids)
    site.wait(ids)
    site.assert_once_each(ids)
    assert value(site.database, "select count(*) from attempt where outcome = 'retry' and number > 1") == 0


def waiters(site: Site) -> list[UUID]:
    """The runs that wait for a switch."""
    return [row.id for row in query(site.database, "select id from run where waits_on = 'switch'")]


def test_a_breaker_spares_a_tool_that_is_down(site: Site) -> None:
    """After some failures in a row nobody calls the tool; once it answers again everything ends well, once each."""
    site.use_tools(ToolClass.KEYED)
    site.tools.schedule(1, {"500_before": 1.0})
    site.ready_worker()
    ids = site.submit(40)
    waiting.until(lambda: ToolBox(site.database, "ada").views(["webhook-tracker"])[-1].tripped, 20, site.tails)
    calls = site.entry(TICKETS).attempts
    time.sleep(3)
    assert site.entry(TICKETS).attempts <= calls + 8  # what was under way when it opened
    site.tools.schedule(1, {})
    ToolBox(site.database, "ada").close_breaker("webhook-tracker")
    site.wait(ids, 60)
    site.assert_once_each(ids)


def test_a_second_notice_and_a_calendar_block_for_what_is_critical(site: Site) -> None:
    """A critical report gets a second notice and a slot in the calendar; another one gets neither."""
    site.use_tools(ToolClass.KEYED)
    extra(site, "ESCALATION", "keyed/pagers")
    extra(site, "CALENDAR", "keyed/slots")
    site.ready_worker()
    run_id, other = submit(site, report(**CRITICAL)), submit(site, report())
    site.wait([run_id, other])
    counts = {name: site.entry(name).commits for name in (TICKETS, NOTICES, "pagers", "slots")}
    assert counts == {TICKETS: 2, NOTICES: 2, "pagers": 1, "slots": 1}
    story = Runs(site.database).story(run_id)
    assert [(one.stage, one.number, one.state) for one in story.effects] == [
        ("create_ticket", 1, "confirmed"),
        ("follow_up", 1, "confirmed"),
        ("notify", 1, "confirmed"),
        ("notify", 2, "confirmed"),
    ]


def extra(site: Site, role: str, endpoint: str) -> None:
    """Set one more tool."""
    given = {"KIND": "webhook", "URL": site.tools.endpoint(endpoint), "TOOL_CLASS": "keyed", "TIMEOUT": "PT2S"}
    site.settings |= {f"TRIAGE_{role}__{key}": text for key, text in given.items()}


def test_a_refused_follow_up_is_told_and_the_run_ends_well(site: Site) -> None:
    """A calendar block with too many people is refused by the policy, and the run is done without it."""
    site.judge_by('name = "strict"\n')
    extra(site, "CALENDAR", "keyed/slots")
    site.kind = ToolClass.KEYED
    site.settings["TRIAGE_REVIEW__ATTENDEES"] = json.dumps([f"p{n}@example.org" for n in range(40)])
    site.ready_worker()
    run_id = submit(site, report(**CRITICAL))
    site.wait([run_id])
    (event,) = [one for one in Runs(site.database).story(run_id).effects if one.stage == "follow_up"]
    assert event.state == "refused"
    assert "events." in str(event.error)
    assert str(event.policy).startswith("strict@")
    assert site.entry("slots").attempts == 0
