"""Real other systems for the campaign: Redmine and Radicale behind fault proxies, and a mail server.

They are started once and shared by all lanes. What belongs to a trial is told by the trial's words in the object's own
title, and which effect it belongs to by the marker in the object; so an object without its marker is found as well.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from email.header import decode_header, make_header
from itertools import chain

from tests.tools import servers
from tests.tools.servers.radicale import Radicale, radicale
from tests.tools.servers.redmine import Redmine, redmine
from tests.tools.servers.smtp import Smtp, smtp_process
from triage.testing import Commit
from triage.testing.proxy import ProxyControls, ProxyProcess
from triage.tools import marker
from triage.tools.calendars import ical

NEEDED = ("redmine", "radicale", "smtp")
MAILBOX, SENDER = "bugs@triage.test", "triage@triage.test"
REDMINE_TIMEOUT = 20.0
"""Seconds that a reader of Redmine's database waits for its writer."""
ISSUES = """
select i.id, i.subject, coalesce(v.value, '') from issues i left join custom_values v
on v.customized_type = 'Issue' and v.customized_id = i.id and v.custom_field_id = :field
where instr(i.subject, :title)
"""
NOTES = """
select j.id, i.subject, j.notes from journals j
join issues i on j.journalized_type = 'Issue' and i.id = j.journalized_id
where instr(i.subject, :title) and j.notes <> ''
"""


@dataclass(frozen=True)
class Systems:
    """What runs; `tracker` and `calendar` are the proxies that workers are sent to."""

    redmine: Redmine
    tracker: ProxyControls
    radicale: Radicale
    calendar: ProxyControls
    mail: Smtp

    def commits(self, what: str, title: str) -> list[Commit]:
        """What really exists with these words in its title; its key is the marker in it, empty if there is none.

        `what` is tickets, notices or slots.
        """
        looks: dict[str, Callable[[str], Iterator[Commit]]] = {
            "tickets": lambda title: chain(self._issues(title), self.notes(title)),
            "notices": self._mails,
            "slots": self._events,
        }
        return list(looks[what](title))

    def break_ticket(self, title: str, *faults: object) -> None:
        """Let the first issues with these words meet these faults; other lanes' are left alone."""
        self.tracker.script(*faults, match=rf"^POST /issues\.json[\s\S]*{title}")  # type: ignore[arg-type]

    def tool(self, what: str) -> dict[str, str]:
        """A tool's settings but for its times."""
        redmine, radicale, mail = self.redmine, self.radicale, self.mail
        marked = {"token": redmine.api_key, "key_field": str(redmine.field_id), "target": redmine.project}
        user = {"user": radicale.user, "password": radicale.password, "target": radicale.path.strip("/")}
        return {
            "tickets": {"kind": "redmine", "url": self.tracker.url, **marked},
            "slots": {"kind": "caldav", "url": self.calendar.url, **user},
            "notices": {
                "kind": "email", "host": mail.host, "port": str(mail.port), "sender": SENDER, "target": MAILBOX
            },
        }[what]  # fmt: skip

    def warm_up(self) -> None:
        """Redmine loads most of its code with the first issue, and takes longer for that than a call may take."""
        issue = {"project_id": self.redmine.project, "subject": "The first one"}
        number = self.redmine.ask("POST", "/issues.json", {"issue": issue})["issue"]["id"]
        self.redmine.issue(number)

    def put_aside(self, title: str) -> None:
        """Let what a trial made look old, so that the workers of later trials need not sweep through it."""
        with closing(self._database("rw")) as connection, connection:
            connection.execute("update issues set created_on = '2000-01-01' where instr(subject, ?)", (title,))

    def _database(self, mode: str) -> sqlite3.Connection:
        place = f"file:{self.redmine.home}/redmine.db?mode={mode}"
        return sqlite3.connect(place, uri=True, timeout=REDMINE_TIMEOUT)

    def _issues(self, title: str) -> Iterator[Commit]:
        """Straight from the database: Redmine answers one request at a time, and is needed for other things."""
        with closing(self._database("ro")) as connection:
            given = {"field": self.redmine.field_id, "title": title}
            for number, subject, key in connection.execute(ISSUES, given).fetchall():
                yield Commit(str(number), key, {"title": subject}, 0.0)

    def notes(self, title: str) -> Iterator[Commit]:
        """Comments on such issues."""
        with closing(self._database("ro")) as connection:
            for number, subject, notes in connection.execute(NOTES, {"title": title}).fetchall():
                yield Commit(str(number), marker.in_lines(notes), {"title": subject}, 0.0)

    def _events(self, title: str) -> Iterator[Commit]:
        for text in self.radicale.events():
            event = ical.read(text)
            if any(title in summary for summary in event.get("SUMMARY", ())):
                key = event.get("UID", [""])[0].partition("@")[0]
                yield Commit(f"{key[:32]}.ics", key, {}, 0.0)

    def _mails(self, title: str) -> Iterator[Commit]:
        for mail in self.mail.messages:
            if title in str(make_header(decode_header(str(mail.message.get("subject", ""))))):
                yield Commit(mail.message_id, mail.message_id.strip("<>").partition("@")[0], {}, mail.time)


def missing() -> str:
    """Why there are no real systems here; empty if there are. Raises RuntimeError where they must be."""
    reasons = {name: reason for name in NEEDED if (reason := servers.missing(name))}
    if must := reasons.keys() & servers.required():
        raise RuntimeError("; ".join(reasons[name] for name in sorted(must)))
    return "; ".join(reasons.values())


@contextmanager
def running() -> Iterator[Systems]:
    """Start everything, and end it."""
    with ExitStack() as stack:
        tracker, calendar = stack.enter_context(redmine()), stack.enter_context(radicale())
        proxies = [stack.enter_context(ProxyProcess(url)) for url in (tracker.url, calendar.url)]
        mail = stack.enter_context(smtp_process())
        systems = Systems(tracker, proxies[0], calendar, proxies[1], mail)
        systems.warm_up()
        yield systems


def certificates(systems: Systems) -> dict[str, str]:
    """What lets a worker trust the mail server."""
    return {"SSL_CERT_FILE": os.fspath(systems.mail.ca_file)}
