"""The console over plain HTTP: who is let in, what is refused, what pages carry, and every action by a form."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import psycopg
import pytest

from tests.support import databases
from tests.support.console import ROOT, Console, Visitor, serving
from tests.support.databases import query, value
from tests.support.site import report
from triage.model import Status
from triage.store.corrections import Corrections
from triage.store.database import Database
from triage.store.postgres import PostgresStore
from triage.store.runs import Runs

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{ 7*7 }} \u202egnp.exe"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what the test is about


@pytest.fixture(scope="module")
def house(template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Console, Database]]:
    """Run one console for all tests here, on a database of its own."""
    folder = tmp_path_factory.mktemp("console")
    with databases.copied(template) as url:
        settings = {
            "TRIAGE_DATABASE_URL": url,
            "TRIAGE_BROKER_URL": "redis://127.0.0.1:1/0",
            "TRIAGE_HOME": str(folder),
        }
        database = Database(url)
        with serving(folder, settings) as console:
            yield console, database
        database.close()


@pytest.fixture
def console(house: tuple[Console, Database]) -> Console:
    """The running console."""
    return house[0]


@pytest.fixture
def database(house: tuple[Console, Database]) -> Database:
    """The database behind it."""
    return house[1]


@pytest.fixture
def ada(console: Console) -> Visitor:
    """Somebody who was let in."""
    return console.visitor()


def submit(database: Database, **fields: object) -> UUID:
    """Hand a report in; nobody works on its run."""
    (submitted,) = PostgresStore(database).submit_many([report(**fields)], None)  # type: ignore[arg-type]
    return submitted.run_id


def die(database: Database, run_id: UUID, reason: str) -> None:
    """Let the run have given up."""
    query(database, "update run set status = 'dead', reason = %s where id = %s", reason, run_id)


def test_nobody_is_let_in_without_a_link(console: Console) -> None:
    """Every page leads strangers to the door, every action is refused, and news are not told."""
    stranger = Visitor(console.url)
    for path in ("/", "/runs", "/person", "/runs/00000000-0000-0000-0000-000000000000", "/approvals/1", "/nowhere"):
        answer = stranger.get(path)
        assert (answer.status, answer.to) == (303, "/enter"), path
    assert stranger.get("/runs", HX_Request="true").status == 401
    for path in ("/runs/bulk", "/theme", "/leave", "/person/redrive"):
        assert stranger.post(path, {"csrf": "x"}).status == 401, path
    assert stranger.get("/healthz").text == "ok\n"


def test_a_link_works_once(console: Console) -> None:
    """Looking at a link uses nothing up, using it does, and a second use is refused."""
    token = parse_qs(urlsplit(console.new_link()).query)["token"][0]
    first, second = Visitor(console.url), Visitor(console.url)
    assert "Come in" in first.get(f"/enter?token={token}").text
    assert first.post("/enter", {"token": token, "name": "  "}).status == 403
    assert first.post("/enter", {"token": token, "name": "ada  b"}).to == "/"
    assert "ada b" in first.get("/runs").text
    assert second.post("/enter", {"token": token, "name": "eve"}).status == 403
    assert second.get("/runs").status == 303
    assert "used already" in second.get(f"/enter?token={token}").text


def test_the_cookie_is_strict_and_signed(console: Console) -> None:
    """The session's cookie is HttpOnly, SameSite=Strict and ends; a changed one counts for nothing."""
    token = console.token()
    visitor = Visitor(console.url)
    cookie = visitor.post("/enter", {"token": token, "name": "ada"}).headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", "max-age=43200", "path=/"))
    ((name, signed),) = visitor.cookies.items()
    visitor.cookies[name] = ("A" if signed[0] != "A" else "B") + signed[1:]
    assert visitor.get("/runs").status == 303


def test_behind_tls_the_cookie_goes_no_other_way(console: Console) -> None:
    """A session begun over a proxy with TLS has a cookie that browsers send over TLS only."""
    visitor, form = Visitor(console.url), {"token": console.token(), "name": "ada"}
    answer = visitor.post("/enter", form, Origin=console.url.replace("http", "https", 1))
    assert (answer.status, "secure" in answer.headers["set-cookie"].lower()) == (303, True)


def test_the_secret_is_its_owners_alone(console: Console) -> None:
    """The file with the secret can be read by nobody else."""
    path = console.folder / "console-secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text()) >= 64


def test_a_form_needs_its_token_and_its_origin(console: Console, ada: Visitor, database: Database) -> None:
    """A form without the session's token, with another session's, or from another page changes nothing."""
    run_id = submit(database)
    path, bob = f"/runs/{run_id}/cancel", console.visitor("bob")
    (mine, *_), (others, *_) = (re.findall(r'name="csrf" value="([^"]+)"', one.get(path).text) for one in (ada, bob))
    assert ada.post(path, {"why": "x"}).status == 403
    assert ada.post(path, {"csrf": others}).status == 403
    for origin in ("", "null", "http://evil.example", "http://127.0.0.1:1", console.url.replace("http", "ftp")):
        assert ada.post(path, {"csrf": mine}, Origin=origin).status == 403, origin
    assert Runs(database).get(run_id).status is Status.ACTIVE
    assert ada.post(path, {"csrf": mine}).status == 303
    assert Runs(database).get(run_id).status is Status.CANCELLED


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[", "10.0.0.1"])
def test_only_known_hosts_are_served(ada: Visitor, host: str) -> None:
    """A request under another name (DNS rebinding) is refused, whatever cookie it carries."""
    assert ada.get("/runs", Host=host or " ").status in {400, 421}


def test_this_machine_s_names_are_served(ada: Visitor) -> None:
    """Under localhost, and through a tunnel with another port, it is served."""
    assert ada.get("/runs", Host="localhost:9999").status == 200
    assert ada.get("/runs", Host="[::1]:9999").status == 200


def test_pages_carry_their_headers(ada: Visitor) -> None:
    """Every answer, errors too, forbids foreign content, framing, sniffing and keeping."""
    paths = ("/runs", "/person", "/runs/00000000-0000-0000-0000-000000000000", "/nowhere", "/healthz", "/enter")
    for path in paths:
        headers = ada.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'; "), path
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
    assert ada.get("/static/console.css").headers["cache-control"] == "max-age=3600"
    assert ada.get("/static/../access.py").status == 404


def test_no_page_has_inline_code(ada: Visitor, database: Database) -> None:
    """No script, style or handler stands in a page: the headers would stop it, and it would not work."""
    run_id = submit(database)
    for path in ("/runs", f"/runs/{run_id}", "/person", f"/runs/{run_id}/cancel", f"/runs/{run_id}/fork"):
        text = ada.get(path).text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style| style=| on[a-z]+=|javascript:", text), path


def test_hostile_text_is_only_text(ada: Visitor, database: Database) -> None:
    """Markup in a report is shown and does nothing, on every page that shows it."""
    run_id = submit(database, title=HOSTILE, body=HOSTILE * 10, reporter=HOSTILE[:190], url="javascript:alert(1)")
    die(database, run_id, HOSTILE)
    pages = [f"/runs/{run_id}", f"/runs/{run_id}/report", "/runs?status=dead", "/person", f"/runs/{run_id}/redrive"]
    for path in pages:
        answer = ada.get(path)
        assert answer.status == 200, path
        assert "&lt;script&gt;alert(1)" in answer.text, path
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text
        assert 'href="javascript' not in answer.text
    assert "&lt;script" in ada.get(f"/runs?q={'%3Cscript%3E'}").text


@pytest.mark.parametrize(
    "query_text",
    [
        "q=" + "x" * 5_000,
        "q=%00%FF%F0",
        "status=nonsense&kind=nonsense&stage=x&severity=x",
        "since=yesterday&until=99999-01-01",
        "since=0001-01-01&until=9999-12-31",
        "cost=nan",
        "cost=-1&cost=1e400",
        "before=nonsense",
        "before=99999999999999999999_00000000-0000-0000-0000-000000000000",
        "source=" + "'" * 50,
        "q=" + "%27%20or%201=1--%20%22:*%26|!()",
        "q=a&source_id=" + "%F0%9F%A4%B7" * 100,
    ],
)
def test_whatever_is_asked_is_answered(ada: Visitor, query_text: str) -> None:
    """No filter, however wrong or long, breaks the page."""
    assert ada.get(f"/runs?{query_text}").status == 200


def test_a_wrong_filter_is_told(ada: Visitor) -> None:
    """What cannot be understood is said, not guessed."""
    text = ada.get("/runs?since=yesterday&cost=cheap&kind=x").text
    assert "From is a time such as" in text and "Cost is an amount" in text and "Kind is one of" in text


def test_too_much_is_refused(ada: Visitor) -> None:
    """A form of more bytes or fields than any of ours has is refused."""
    assert ada.post("/theme", {"csrf": "x" * 300_000}).status == 413
    assert ada.post("/theme", [(f"f{number}", "") for number in range(2_000)]).status == 400
    assert ada._ask("PUT", "/runs", None, {}).status == 405


def test_wrong_links_are_bounded(template: str, tmp_path: Path) -> None:
    """After ten wrong links nobody is let in for a while, not even by a good one."""
    with databases.copied(template) as url, serving(tmp_path, settings(url, tmp_path)) as console:
        visitor = Visitor(console.url)
        assert [visitor.get(f"/enter?token=x{number}").status for number in range(10)] == [403] * 10
        refused = visitor.get(urlsplit(console.link).path + "?" + urlsplit(console.link).query)
        assert (refused.status, int(refused.headers["retry-after"]) > 0) == (429, True)


def settings(url: str, folder: Path, **more: str) -> dict[str, str]:
    """For a console of a test's own."""
    return {
        "TRIAGE_DATABASE_URL": url,
        "TRIAGE_BROKER_URL": "redis://127.0.0.1:1/0",
        "TRIAGE_HOME": str(folder),
        **more,
    }


def test_a_link_from_before_the_start_counts_no_more(template: str, tmp_path: Path) -> None:
    """A restarted console does not know which links were used, so it takes none of them."""
    with databases.copied(template) as url:
        with serving(tmp_path, settings(url, tmp_path)) as console:
            token = parse_qs(urlsplit(console.link).query)["token"][0]
            cookie = console.visitor().cookies
        token_kept = {"TRIAGE_CONSOLE__METRICS_TOKEN": "m" * 20}
        with serving(tmp_path, settings(url, tmp_path, **token_kept)) as console:
            visitor = Visitor(console.url)
            assert visitor.post("/enter", {"token": token, "name": "eve"}).status == 403
            assert visitor.get("/metrics").status == 401
            assert visitor.get("/metrics", Authorization="Bearer nonsense").status == 401
            assert visitor.get("/metrics", Authorization="Bearer " + "m" * 20).status == 200
            port = urlsplit(console.url).port
            visitor.cookies = {f"triage_console_{port}": next(iter(cookie.values()))}
            assert visitor.get("/runs").status == 200  # a session outlives the process, as its secret does


def test_metrics_are_open_on_this_machine(console: Console) -> None:
    """Without a token, who is on this machine may ask for metrics, and gets the product's own."""
    answer = Visitor(console.url).get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE triage_" in answer.text


def test_another_address_needs_a_word(tmp_path: Path, database_url: str) -> None:
    """It does not listen where other machines reach it unless somebody says so, and then it warns."""
    command = [sys.executable, "-m", "triage.cli", "console", "--address", EVERYWHERE, "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings(database_url, tmp_path)
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 2
    assert "--open-to-network" in done.stderr
    with serving(tmp_path, settings(database_url, tmp_path), "--address", EVERYWHERE, "--open-to-network") as console:
        assert "nothing on the way is encrypted" in (tmp_path / "console.err").read_text().replace("\n", " ")
        port = urlsplit(console.url).port
        assert Visitor(f"http://127.0.0.1:{port}").get("/healthz").status == 200


def test_a_link_from_a_ticket_asks_once_more(console: Console, ada: Visitor, database: Database) -> None:
    """Who comes from another site, without the strict cookie, gets a page that asks again from here."""
    run_id = submit(database)
    stranger = Visitor(console.url)
    answer = stranger.get(f"/runs/{run_id}", Sec_Fetch_Site="cross-site")
    assert answer.status == 200 and 'http-equiv="refresh"' in answer.text and str(run_id) not in answer.text
    assert ada.get(f"/runs/{run_id}", Sec_Fetch_Site="same-origin").status == 200


def test_leaving_ends_the_session(ada: Visitor) -> None:
    """After leaving, the browser has no cookie any more."""
    assert "A link lets you in" in ada.act("/leave").text
    assert ada.get("/runs").status == 303


def test_runs_are_found_by_anything(ada: Visitor, database: Database) -> None:
    """Title, source, source id, run id, status and time each find the run, and what does not fit does not."""
    run_id = submit(database, source="sentry", source_id="PROJ-77_x", title="Überlauf beim Export der Liste")
    submit(database, source="other", title="Nothing alike")
    fits = [
        "q=expo+list", "q=%C3%9Cberlauf", f"q={run_id}", "q=PROJ-77", "source=sentry", "source_id=proj-77_X",
        "source=sentry&status=active&since=1h", "q=export&stage=triage", "source=sentry&kind=",
    ]  # fmt: skip
    for text in fits:
        page = ada.get(f"/runs?{text}").text
        assert str(run_id) in page and "1 run<" in page, text
    for text in ("q=exportx", "source=sentr", "source_id=PROJ-7", "source=sentry&status=done", "source=sentry&until=1h",
                 "q=export&kind=bug", "source=sentry&cost=0", "ticket=T-1"):  # fmt: skip
        assert str(run_id) not in ada.get(f"/runs?{text}").text, text


def test_pages_go_on_where_the_one_before_ended(ada: Visitor, database: Database) -> None:
    """Page by page every run is seen exactly once, also those that came in at the same moment."""
    ids = [submit(database, source="paged") for _ in range(120)]
    query(database, "update run set created_at = date_trunc('minute', created_at) where source = 'paged'")
    seen: list[str] = []
    path = "/runs?source=paged"
    while path:
        text = ada.get(path).text
        seen += re.findall(r'id="r-([0-9a-f-]{36})"', text)
        (path, *_) = [*re.findall(r'href="([^"]+)" rel="next"', text), ""]
        path = path.replace("&amp;", "&")
    assert sorted(seen) == sorted(str(one) for one in ids)
    assert len(seen) == len(set(seen))


def test_a_filter_without_an_index_says_how_far_it_looked(ada: Visitor, database: Database) -> None:
    """What a windowed search finds is complete while there are fewer runs than the window."""
    run_id = submit(database, title="Decided once")
    content = '{"kind": "crash", "severity": "low", "decided_by": "test", "reason": "", "title": "x", "route": "y"}'
    query(database, "insert into decision values (%s, 'crash', 'low', 'windowed', %s)", run_id, content)
    text = ada.get("/runs?kind=crash&decided_by=windowed&severity=low").text
    assert str(run_id) in text and "Looked back to" not in text


def test_one_run_s_actions_are_recorded_with_their_author(ada: Visitor, database: Database) -> None:
    """Retry, cancel, fork and redrive change the run, lead on with a message, and leave who did it."""
    run_id = submit(database)
    assert "Due now" in ada.act(f"/runs/{run_id}/retry").text
    forked = ada.act(f"/runs/{run_id}/fork", {"stage": "triage"})
    assert "this is the new run" in forked.text
    die(database, run_id, "the tracker said no")
    assert "the tracker said no" in ada.get(f"/runs/{run_id}/redrive").text
    assert "new set of attempts" in ada.act(f"/runs/{run_id}/redrive").text
    assert "Cancelled" in ada.act(f"/runs/{run_id}/cancel", {"why": "filed by hand"}).text
    events = query(database, "select what, detail ->> 'by' from event where run_id = %s order by id", run_id)
    assert [tuple(row) for row in events] == [("retried", "ada"), ("redriven", "ada"), ("cancelled", "ada")]
    assert Runs(database).get(run_id).reason == "cancelled by ada: filed by hand"
    refused = ada.act(f"/runs/{run_id}/redrive")
    assert 'class="note failed"' in refused.text and "only a dead or held one" in refused.text


def test_a_decision_is_corrected(ada: Visitor, database: Database) -> None:
    """A correction is kept with its author and shown; a wrong value is refused; saying it again is nothing."""
    run_id = submit(database)
    assert "not decided yet" in ada.act(f"/runs/{run_id}/correct", {"kind": "crash"}).text
    content = (
        '{"kind": "bug", "severity": "low", "component": "", "route": "team", "decided_by": "rules", "reason": ""}'
    )
    query(database, "insert into decision values (%s, 'bug', 'low', 'rules', %s)", run_id, content)
    assert "kind is one of" in ada.act(f"/runs/{run_id}/correct", {"kind": "nonsense"}).text
    corrected = ada.act(f"/runs/{run_id}/correct", {"kind": "crash", "severity": "low"})
    assert "Corrected: kind is crash." in corrected.text and "<b>crash</b>" in corrected.text
    assert Corrections(database).standing(run_id) == {"kind": "crash"}
    assert "Nothing was new" in ada.act(f"/runs/{run_id}/correct", {"kind": "crash"}).text
    assert value(database, "select by_whom from correction where run_id = %s", run_id) == "ada"


def test_many_runs_are_shown_before_they_are_changed(ada: Visitor, database: Database) -> None:
    """A bulk action shows what will change and what not, does it once, and tells what it came to."""
    ids = [submit(database, source="bulk") for _ in range(5)]
    die(database, ids[0], "no")
    shown = ada.act("/runs/bulk", {"what": "redrive", "all": "1", "query": "source=bulk", "back": "/runs?source=bulk"})
    assert "Redrive 1 run?" in shown.text and "will stay as they are" in shown.text
    assert Runs(database).get(ids[0]).status is Status.DEAD
    (plan,) = re.findall(r'name="plan" value="([^"]+)"', shown.text)
    done = ada.act("/runs/bulk/start", {"plan": plan})
    while "going on" in done.text:
        done = ada.get("/jobs/" + re.findall(r"/jobs/([0-9a-f-]{36})", done.text)[0])
    assert "5 of 5" in done.text and "<strong>1</strong> changed" in done.text
    assert Runs(database).get(ids[0]).status is Status.ACTIVE
    assert "carried out already" in ada.act("/runs/bulk/start", {"plan": plan}).text
    chosen = ada.act("/runs/bulk", {"what": "cancel", "run": [str(one) for one in ids[:2]], "back": "//evil.example"})
    assert "Cancel 2 runs?" in chosen.text and "evil" not in chosen.text
    assert "No run was chosen" in ada.act("/runs/bulk", {"what": "cancel", "back": "/runs"}).text
    assert ada.act("/runs/bulk", {"what": "cancel", "run": "nonsense"}).status == 404


def test_dead_letters_are_grouped_and_redriven_together(ada: Visitor, database: Database) -> None:
    """Runs that gave up for the same reason but its numbers are one group, redriven after one question."""
    ids = [submit(database, source="dead") for _ in range(3)]
    for number, run_id in enumerate(ids):
        die(database, run_id, f"the other system refused: 422 for 'label {number}' in PROJ-{number} after {number}.5 s")
    page = ada.get("/person").text
    (mark,) = [one for one in re.findall(r'name="fingerprint" value="([^"]+)"', page) if "422" in one]
    assert "PROJ-" not in mark
    shown = ada.act(
        "/person/redrive", {"checkpoint": "received", "fingerprint": mark.replace("&#39;", "'")}, seen="/person"
    )
    assert "Redrive 3 runs?" in shown.text
    assert "no run of this group is left" in ada.act("/person/redrive", {"checkpoint": "done", "fingerprint": "x"}).text


def test_the_page_says_so_while_postgres_is_away(template: str, tmp_path: Path) -> None:
    """Without Postgres a page with status 503 says so, and the next request with Postgres is served."""
    with databases.copied(template) as url, serving(tmp_path, settings(url, tmp_path)) as console:
        visitor = console.visitor()
        name = url.rpartition("/")[2]
        server = databases.plain(url.rpartition("/")[0] + "/postgres")
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"alter database {name} with allow_connections false")  # type: ignore[arg-type]
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
            answer = visitor.get("/runs")
            assert (answer.status, "Postgres does not answer" in answer.text) == (503, True)
            admin.execute(f"alter database {name} with allow_connections true")  # type: ignore[arg-type]
        assert visitor.get("/runs").status == 200
