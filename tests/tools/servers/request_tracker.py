"""Request Tracker 5 from Debian's packages, on a private copy of a seeded SQLite database."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.tools.servers import rest, running

USER, PASSWORD = "root", "password"  # as the packaged initial data have it
QUEUE, UNMARKED = "General", "Unmarked"
SERVER = "/usr/share/request-tracker5/libexec/rt-server"
WORKERS = 2

CONFIG = """
Set($rtname, 'triage.test');
Set($Organization, 'triage.test');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($WebPath, '');
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{home}/rt.db');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'warning');
Set($MailCommand, 'testfile');
Set($Timezone, 'UTC');
$RT::MasonDataDir = '{home}/mason';
$RT::MasonSessionDir = '{home}/session';
1;
"""
SEED = f"""
@Queues = ({{ Name => '{UNMARKED}', Description => 'No field run_key here' }});
@CustomFields = ({{
    Name => 'run_key', Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket', Queue => ['{QUEUE}'],
}});
1;
"""


@dataclass(frozen=True, slots=True)
class RequestTracker:
    """A running RT; the methods look and act as root, past any proxy.

    In the queue `unmarked` the field `run_key` does not exist: RT drops the value on create, without a word.
    """

    url: str
    pid: int
    user: str = USER
    password: str = PASSWORD
    queue: str = QUEUE
    unmarked: str = UNMARKED

    def tickets_with(self, key: str) -> list[int]:
        """The ids of the tickets whose field `run_key` is this; deleted ones are not found."""
        query = quote(f"CF.{{run_key}}='{key}'")
        found = self.ask("GET", f"/tickets?per_page=100&query={query}")["items"]
        ids = [int(item["id"]) for item in found]
        return sorted(ticket for ticket in ids if key in _keys(self.ticket(ticket)))

    def ticket(self, ticket_id: int) -> dict[str, Any]:
        """One ticket as RT shows it; `rest.CallError` if it never was."""
        return dict(self.ask("GET", f"/ticket/{ticket_id}"))

    def tickets(self) -> list[int]:
        """The ids of all tickets but the deleted."""
        found = self.ask("GET", f"/tickets?per_page=100&query={quote('id > 0')}")["items"]
        return sorted(int(item["id"]) for item in found)

    def set_key(self, ticket_id: int, key: str) -> None:
        """Change the marker, as a person could."""
        self.ask("PUT", f"/ticket/{ticket_id}", {"CustomFields": {"run_key": key}})

    def delete(self, ticket_id: int) -> None:
        """Give a ticket the status `deleted`, as a person could: it can still be read by its id."""
        self.ask("DELETE", f"/ticket/{ticket_id}")

    def ask(self, method: str, path: str, value: object = None) -> Any:
        """One call of REST 2.0, such as `/ticket`; the parsed answer, or None if there is no body."""
        return rest.call_json(method, f"{self.url}/REST/2.0{path}", value, rest.basic(self.user, self.password))


def missing() -> str:
    """Why there is no RT here; empty if there is."""
    if not all(running.debian(package) for package in ("request-tracker5", "rt5-db-sqlite", "rt5-standalone")):
        return "RT is not installed: as root on Debian, `python -m tests.tools.servers install request_tracker`"
    return ""


@contextmanager
def request_tracker() -> Iterator[RequestTracker]:
    """Run an RT of its own, empty but for what `SEED` makes."""
    seeded = running.kept("request_tracker", CONFIG + SEED + running.debian("request-tracker5"), _seed)
    with running.folder("request-tracker") as home:
        shutil.copytree(seeded, home, dirs_exist_ok=True)
        port = running.free_port()
        environment = _configure(home, port)
        command = [SERVER, "--host", running.HOST, "--port", str(port), "--max-workers", str(WORKERS)]
        url = f"http://{running.HOST}:{port}"

        def ready() -> bool:
            return rest.answers(f"{url}/REST/2.0/rt", rest.basic(USER, PASSWORD))

        with running.running(command, ready, home / "server.log", cwd=home, env=environment) as process:
            yield RequestTracker(url, process.pid)


def _seed(home: Path) -> None:
    environment = _configure(home, 80)
    recipe = home / "seed.pl"
    recipe.write_text(SEED)
    setup = ["rt-setup-database-5", "--skip-create", "--dba", "", "--dba-password", "", "--action"]
    running.run([*setup, "init"], env=environment)
    running.run([*setup, "insert", "--datafile", str(recipe)], env=environment)


def _configure(home: Path, port: int) -> dict[str, str]:
    for name in ("mason", "session", "more"):
        (home / name).mkdir(exist_ok=True)
    config = home / "RT_SiteConfig.pm"
    config.write_text(CONFIG.format(home=home, port=port))
    return {"RT_SITE_CONFIG": str(config), "RT_SITE_CONFIG_DIR": str(home / "more")}


def _keys(ticket: dict[str, Any]) -> list[str]:
    fields = ticket.get("CustomFields") or []
    return [value for field in fields if field["name"] == "run_key" for value in field["values"]]
