"""Who did what, read page by page from a real database."""

from datetime import timedelta

from tests.support.databases import query, value
from tests.support.site import report
from triage.store.audit import Asked, Audit
from triage.store.database import Database
from triage.store.models import Models
from triage.store.operations import Operations
from triage.store.postgres import PostgresStore
from triage.store.tool_box import ToolBox


def test_each_deed_is_on_one_page_and_only_there(database: Database) -> None:
    """Pages of two go through entries of three kinds, some of one moment, from the newest to the oldest."""
    runs = PostgresStore(database).submit_many([report() for _ in range(3)], None)
    for one in runs:
        Operations(database, "ada").cancel(one.run_id, "spam")
    ToolBox(database, "bob").disable("tracker", "broken")
    Models(database).save("learned-1", b"x", {}, by="eve", use=True, why="better")
    query(database, "update event set at = '2026-11-17 15:47+00'")
    query(database, "update tool_event set at = '2026-11-17 15:47+00'")
    audit, seen, mark = Audit(database), [], None
    while found := audit.page(Asked(), mark, 2):
        seen += found
        mark = found[-1].mark
    assert [one.kind for one in seen] == ["model", "tool", "run", "run", "run"]
    assert len({(one.kind, one.id) for one in seen}) == 5
    assert [one.who for one in seen] == ["eve", "bob", "ada", "ada", "ada"]
    assert seen[-1].detail["reason"] == "cancelled by ada: spam"


def test_deeds_are_found_by_who_what_and_when(database: Database) -> None:
    """Each filter leaves what it names; a part of a name is enough, in any case."""
    box = ToolBox(database, "Ada Lovelace")
    box.disable("tracker", "broken")
    box.enable("tracker", "mended")
    ToolBox(database, "bob").disable("notifier", "loud")
    query(database, "insert into tool_event (tool, what, detail) values ('tracker', 'opened', '{}')")
    audit, at = Audit(database), value(database, "select now()")
    assert [one.what for one in audit.page(Asked(who="LOVE"))] == ["enabled", "disabled"]
    assert [one.subject for one in audit.page(Asked(what="disabled"))] == ["notifier", "tracker"]
    assert audit.page(Asked(about="runs")) == []
    assert len(audit.page(Asked(about="tools", since=at - timedelta(minutes=1)))) == 4
    assert audit.page(Asked(until=at - timedelta(minutes=1))) == []
    assert audit.page(Asked(what="opened"))[0].who == ""
