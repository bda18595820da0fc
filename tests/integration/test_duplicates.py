"""Reports that say what an earlier one said, in real workers on a real Postgres."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support import waiting
from tests.support.databases import query, value
from tests.support.site import Site, report
from triage import clock
from triage.decide.cascade import Cascade
from triage.decide.duplicates import Duplicates, DuplicateSettings, prints_of
from triage.decide.recent import Recent
from triage.decide.rules import Rules
from triage.model import Claim, Prints, Report, Stage
from triage.store.database import Database
from triage.store.postgres import PostgresStore
from triage.store.tickets import LAG, Tickets
from triage.testing.provider import ProviderServer

LONG = "The dialog for the paper shows its sizes in the order of the alphabet, and legal size is the last of eleven."
LIKE = "The list of paper sizes in the dialog is in the order of the alphabet, so legal size is the very last one."
OTHER = "Importing contacts from a spreadsheet puts the postal code of each person into the column of the telephone."
TRACE = """I pressed the button of number {number} and then it stood still, as it did {number} days ago.

Traceback (most recent call last):
  File "/srv/{number}/app/views.py", line {number}, in show
    return cart.total()
  File "/srv/{number}/app/cart.py", line 88, in total
    raise KeyError(key)
KeyError: "{number}"
"""


def submit(site: Site, *reports: Report) -> list[UUID]:
    """Hand them in, in this order."""
    return [PostgresStore(site.database).submit_many([one], None)[0].run_id for one in reports]


def done(site: Site, *reports: Report) -> list[UUID]:
    """Hand them in one after the other, each once the one before is done."""
    ids = []
    for one in reports:
        ids += submit(site, one)
        site.wait(ids)
    return ids


def decision(site: Site, run_id: UUID) -> dict[str, Any]:
    """What was decided."""
    found: dict[str, Any] = value(site.database, "select content from decision where run_id = %s", run_id)
    return found


def ticket(site: Site, run_id: UUID) -> dict[str, Any]:
    """What was filed."""
    (row,) = query(
        site.database,
        "select content, remote_id from effect where run_id = %s and stage = 'create_ticket'",
        run_id,
    )
    return {"id": row.remote_id, "related": row.content["related"]}


def shown(site: Site, run_id: UUID) -> list[tuple[str, str]]:
    """Whose tickets a decision shows, and why."""
    return [(one["run_id"], one["why"]) for one in decision(site, run_id)["related"]]


def test_the_same_text_from_another_source_shows_the_first_ticket(site: Site) -> None:
    """Case, blanks and invisible characters do not count; every repeat shows the first ticket, and each has its own."""
    site.ready_worker()
    (first,) = done(site, report(title="Page cut off", body=LONG))
    repeats = done(
        site,
        report("crm", title="page  CUT off", body=f"\n{LONG}\u200b "),
        report("mail", title="Page cut off", body=LONG),
    )
    for repeat in repeats:
        assert shown(site, repeat) == [(str(first), "text")]
        assert decision(site, repeat)["same_as"] is None
        assert ticket(site, repeat)["related"] == [
            {"id": ticket(site, first)["id"], "url": "", "title": decision(site, first)["title"]}
        ]
    assert shown(site, first) == []
    site.assert_local_once_each([first, *repeats])


def test_an_equal_trace_shows_the_first_ticket(site: Site) -> None:
    """Folders, line numbers and messages differ, the failure is the same."""
    site.ready_worker()
    first, second = done(
        site,
        report(title="It stood still again", body=TRACE.format(number=17)),
        report("crm", title="Total fails", body=f"{OTHER}\n{TRACE.format(number=4)}"),
    )
    assert shown(site, second) == [(str(first), "trace")]


def test_a_similar_report_shows_what_it_is_like(site: Site) -> None:
    """What is only alike is shown with its likeness, what is not is left out, and the report itself is never there."""
    site.ready_worker()
    first, _ = done(site, report(title="Page cut off", body=LONG), report(title="Import of contacts", body=OTHER))
    time.sleep(LAG.total_seconds() + 1)
    (second,) = done(site, report("crm", title="Right margin is cut off", body=LIKE))
    assert shown(site, second) == [(str(first), "similar")]
    assert 0.2 < decision(site, second)["related"][0]["likeness"] < 1
    assert ticket(site, second)["related"][0]["id"] == ticket(site, first)["id"]


def test_short_reports_are_not_linked(site: Site) -> None:
    """Few words are said of many failures: an equal text means nothing then."""
    site.ready_worker()
    ids = done(site, *(report(source, title="Login is broken", body="Please help!") for source in ("a", "b", "c")))
    assert [shown(site, one) for one in ids] == [[]] * 3
    assert [decision(site, one)["prints"] for one in ids] == [{"text": "", "trace": ""}] * 3


def test_two_at_once_are_both_filed(site: Site) -> None:
    """Neither has a ticket that the other could show, or only the earlier one has; and both get theirs."""
    site.ready_worker(slots=8)
    ids = submit(site, *(report(source, title="Page cut off", body=LONG) for source in ("a", "b", "c", "d")))
    site.wait(ids)
    site.assert_local_once_each(ids)
    for number, one in enumerate(ids):
        assert shown(site, one) in [[], *([(str(other), "text")] for other in ids[:number])]


def test_by_policy_a_repeat_is_meant_to_be_a_comment(site: Site) -> None:
    """`same_as` names the original's ticket, also for the repeat of a repeat."""
    site.settings["TRIAGE_DUPLICATES__IDENTICAL"] = "comment"
    site.ready_worker()
    first, *others = done(site, *(report(source, title="Page cut off", body=LONG) for source in ("a", "b", "c")))
    for other in others:
        same = decision(site, other)["same_as"]
        assert (same["run_id"], same["why"], same["ticket"]) == (str(first), "text", ticket(site, first)["id"])


@pytest.fixture
def provider(site: Site) -> Iterator[ProviderServer]:
    """Run a model's provider, and let the workers ask it."""
    with ProviderServer() as server:
        model = {"provider": "compatible", "model": "some", "base_url": f"{server.url}/v1", "api_key": "opens-nothing"}
        prices = {"compatible:some": {"input": "1", "output": "5"}}
        site.settings["TRIAGE_LLM"] = json.dumps({"model": model, "prices": prices})
        yield server


def test_a_model_is_shown_the_candidates_and_never_asked_about_an_equal_text(
    site: Site, provider: ProviderServer
) -> None:
    """A repeat takes over the kind for nothing; a similar one is asked about, and what the model names goes first."""
    provider.answer = {"kind": "feature", "confidence": 0.8}
    site.ready_worker()
    first, repeat = done(site, *(report(source, title="Page", body=LONG) for source in ("a", "b")))
    assert provider.count == 1
    assert (decision(site, repeat)["decided_by"], decision(site, repeat)["kind"]) == ("repeat", "feature")
    time.sleep(LAG.total_seconds() + 1)
    provider.answer = {"kind": "feature", "confidence": 0.8, "duplicate_of": "c1"}
    (second,) = done(site, report("crm", title="Right margin", body=LIKE))
    assert provider.count == 2
    assert shown(site, second)[0][1] == "model" and shown(site, second)[0][0] in {str(first), str(repeat)}
    assert set(decision(site, second)["versions"]) == {"rules", "prompt", "model"}


def looking(database: Database, **settings: Any) -> Duplicates:
    """The search of a process."""
    tickets = Tickets(database, timedelta(days=365), lambda _: True)
    return Duplicates(DuplicateSettings.model_validate(settings), tickets, Recent(tickets, timedelta(days=365)))


def test_the_reports_own_runs_are_none_of_its_duplicates(site: Site) -> None:
    """Neither the run itself nor a fork of it is shown, nor one that came in later."""
    site.ready_worker()
    first, second = done(site, *(report(source, title="Page cut off", body=LONG) for source in ("a", "b")))
    prints, tickets = prints_of(report(title="Page cut off", body=LONG)), Tickets(site.database, LAG, lambda _: True)
    assert tickets.earlier(first, prints, {}) == []
    assert [one.ticket.run_id for one in tickets.earlier(second, prints, {})] == [first]
    # As a fork is: another run of the first report.
    fork = value(
        site.database,
        "insert into run (id, key, source, source_id, report_kind, forked_from) "
        "select triage_uuid7(), sha256('fork'), source, source_id, report_kind, id from run where id = %s returning id",
        first,
    )
    assert [one.ticket.run_id for one in tickets.earlier(fork, prints, {first: 0.9, second: 0.8})] == [second, second]


def test_a_link_that_the_guards_refuse_is_left_out(site: Site) -> None:
    """The ticket is shown without it, so that no ticket is refused for another one's address."""
    site.ready_worker()
    first, second = done(site, *(report(source, title="Page cut off", body=LONG) for source in ("a", "b")))
    query(site.database, "update effect set remote_url = 'http://10.0.0.1/1' where run_id = %s", first)
    prints = prints_of(report(title="Page cut off", body=LONG))
    for may_link, url in ((True, "http://10.0.0.1/1"), (False, "")):
        (found,) = Tickets(site.database, LAG, lambda _, may=may_link: may).earlier(second, prints, {})
        assert (found.ticket.url, found.ticket.title) == (url, decision(site, first)["title"])


def test_what_a_dry_run_or_a_comment_made_is_no_ticket(site: Site) -> None:
    """The one is not there; of the other the original is meant, unless its comment was refused."""
    site.ready_worker()
    first, second, third = done(site, *(report(source, title="Page", body=LONG) for source in ("a", "b", "c")))
    prints, tickets = prints_of(report(title="Page", body=LONG)), Tickets(site.database, timedelta(1), lambda _: True)
    same_as = json.dumps({"same_as": {"run_id": str(first)}})
    query(site.database, "update decision set content = content || %s::jsonb where run_id = %s", same_as, second)
    assert [one.ticket.run_id for one in tickets.earlier(third, Prints(), {second: 0.5})] == [first]
    query(
        site.database,
        "insert into effect "
        "(key, run_id, stage, number, tool, target, tool_class, timeout, quarantine, content, state, remote_id) "
        "select sha256('instead'), run_id, stage, 2, tool, target, tool_class, timeout, quarantine, content, "
        "'confirmed', 'T-77' from effect where run_id = %s and stage = 'create_ticket'",
        second,
    )
    assert [one.ticket.ticket for one in tickets.earlier(third, prints, {})] == ["T-77"]
    query(site.database, "update effect set remote_id = 'dry-run' where stage = 'create_ticket'")
    assert tickets.earlier(third, prints, {first: 0.5}) == []
    titles = {one.run_id: one.title for one in waiting_for(tickets, 3)}
    assert set(titles.values()) == {""}


def waiting_for(tickets: Tickets, number: int) -> list[Any]:
    """So many filed reports, once they count."""
    waiting.until(lambda: len(tickets.filed(None, None, 10)) == number, 10, lambda: str(tickets.filed(None, None, 10)))
    return tickets.filed(None, None, 10)


def test_filed_tickets_are_read_in_pages(site: Site) -> None:
    """Each once, the newest first, and after the newest only what is newer."""
    site.ready_worker()
    ids = done(site, *(report(title=f"Page {number}", body=LONG) for number in range(5)))
    tickets = Tickets(site.database, timedelta(days=1), lambda _: True)
    (newest, *_) = whole = waiting_for(tickets, 5)
    assert {one.run_id for one in whole} == set(ids) and [one.body for one in whole] == [LONG] * 5
    first = tickets.filed(None, None, 2)
    assert first + tickets.filed(None, first[-1], 10) == whole
    assert tickets.filed(newest, None, 10) == [] and tickets.filed(whole[2], None, 10) == whole[:2]


def hung() -> socket.socket:
    """A server that takes connections and never says anything."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(50)
    return listener


@pytest.mark.parametrize("trouble", ["refused", "hung"])
def test_a_report_is_decided_while_the_store_is_away(trouble: str) -> None:
    """By the rules alone, as soon as connecting is given up, and the next ones at once."""
    with hung() as listener:
        port = listener.getsockname()[1]
        if trouble == "refused":
            listener.close()
        database = Database(f"postgresql+psycopg://nobody@127.0.0.1:{port}/none")
        found = looking(database)
        cascade, given = Cascade(Rules.load(), None, None, found), report(title="Page cut off", body=LONG)
        claim = Claim(uuid4(), given.key, Stage.TRIAGE, 1, uuid4(), 1, 0, clock.now(), given.model_dump(mode="json"))
        began = time.monotonic()
        assert cascade.decide(given, claim).related == ()
        assert time.monotonic() - began < 7
        began = time.monotonic()
        assert [cascade.decide(given, claim).prints for _ in range(5)] == [prints_of(given)] * 5
        assert time.monotonic() - began < 1.5
        found.close()
    database.close()


def test_only_the_original_is_looked_up_in_a_flood(site: Site) -> None:
    """However many equal reports there are, the look-up uses its indexes and finds the first."""
    site.ready_worker()
    (first,) = done(site, report(title="Page cut off", body=LONG))
    query(
        site.database,
        "with flood as (insert into run (id, key, source, source_id, report_kind, checkpoint) "
        "select triage_uuid7(), sha256(n::text::bytea), 'flood', n::text, 'bug', 'triaged' "
        "from generate_series(1, 5000) as n returning id), "
        "decided as (insert into decision (run_id, kind, severity, decided_by, content) "
        "select flood.id, kind, severity, decided_by, content from flood, decision) "
        "insert into report (run_id, content) select id, '{}' from flood",
    )
    query(site.database, "update run set status = 'dead', reason = 'flood' where source = 'flood'")
    query(site.database, "analyze")
    last = submit(site, report("crm", title="Page cut off", body=LONG))[0]
    tickets, prints = Tickets(site.database, LAG, lambda _: True), prints_of(report(title="Page cut off", body=LONG))
    began = time.monotonic()
    for _ in range(20):
        assert [one.ticket.run_id for one in tickets.earlier(last, prints, {})] == [first]
    assert time.monotonic() - began < 2
    site.wait([last])
    assert shown(site, last) == [(str(first), "text")]
