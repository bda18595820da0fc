"""Closed tickets out of a tracker's own interface, as labelled reports: what a team said that its tickets were.

    with opened("github", config.load(), Given(project="acme/shop", token_env="GITHUB_TOKEN")) as (tool, target):
        for item in Closed(tool, target, most=5_000).read():
            ...  # a ClosedReport, or a BadRow

Our own tickets are left out, also those that people labelled anew. Their text begins with what we decided, which would
teach the model its own answers; what people changed on them is a correction, and is learned with the report's own
words.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, Protocol

import pydantic

from triage import clock, config
from triage.errors import InvalidSetting, NotSent, Refused
from triage.ingest.labelled import ClosedReport
from triage.ingest.rows import BadRow
from triage.model import Json
from triage.model.tickets import ClosedTicket, Page
from triage.tools.egress import Egress
from triage.tools.settings import ToolSettings
from triage.tools.trackers import github, gitlab, jira_cloud, jira_dc, redmine
from triage.tools.transport import Transport

LONGEST = timedelta(minutes=30)
"""For all pages, with all that is waited for."""
ONE_PAGE = timedelta(seconds=60)
MOST_PAGES = 2_000
"""No list is read further: pages may hold nothing but pull requests, or the same again and again."""
PAUSES = (0.5, 2.0)
"""Seconds before a page is asked for again that could not be had for no reason that would name a wait."""
LEAST_WAIT = 1.0
TOLD_WAIT = 2.0
"""Seconds; a shorter wait is not worth a word."""
ANY_FIELD = 1
"""Redmine's adapter wants to know our custom field; reading closed issues does without it."""
CLASSES: Mapping[str, tuple[type[ToolSettings], ...]] = {
    "github": (github.Settings,),
    "gitlab": (gitlab.Settings,),
    "jira": (jira_cloud.Settings, jira_dc.Settings),
    "redmine": (redmine.Settings,),
}
"""The kinds of settings for each name that can be asked for."""


class Tracker(Protocol):
    """What can list closed tickets."""

    def closed(self, target: str, after: str, deadline: float) -> Page[ClosedTicket]:
        """A page of them; raises `NotSent`, or `Refused` for good."""
        ...


@dataclass(frozen=True, slots=True)
class Given:
    """What was said beside the settings; empty: as it is set. With a `user` (an email address) it is Jira Cloud.

    `token_env` names the environment variable that holds the token, so that it shows in no list of processes.
    """

    project: str = ""
    url: str = ""
    user: str = ""
    token_env: str = ""


@contextmanager
def opened(kind: str, settings: config.Settings, given: Given) -> Iterator[tuple[Tracker, str]]:
    """The tracker and the project in it, as set or as given; touches no network.

    Raises:
        InvalidSetting: something that is needed is neither set nor given, or does not fit.
    """
    classes = CLASSES[kind][:1] if given.user else CLASSES[kind]
    base = settings.tracker if isinstance(settings.tracker, classes) else None
    cls = type(base) if base else classes[-1]
    known = {**_known(cls, base, given), **_told(cls, given)}
    if "token" not in known:
        raise InvalidSetting(f"no token for {kind}: name the variable that holds one with --token-env")
    target = given.project or (base.target or settings.project if base else "")
    if not target:
        raise InvalidSetting(f"which project of {kind}? name it with --project")
    transport = Transport(egress=Egress(settings.egress_allow, settings.egress_only))
    tool: Any = _valid(cls, known, kind).open(kind, transport)
    try:
        yield tool, target
    finally:
        transport.close()


@dataclass
class Closed:
    """Reads them, the youngest first, once. `ours` counts those of our own that were left out."""

    tool: Tracker
    target: str
    most: int
    longest: timedelta = LONGEST
    pauses: tuple[float, ...] = PAUSES
    waits: Callable[[str], None] = lambda _: None
    """Told why it waits."""
    ours: int = 0

    def read(self) -> Iterator[ClosedReport | BadRow]:
        """All of them, at most `most`.

        Raises:
            NotSent: a page could not be had, or not in time.
            Refused: the tracker does not give them to us, or its address is not allowed.
        """
        for number, ticket in enumerate(islice(self._tickets(), self.most), 1):
            if ticket.ours:
                self.ours += 1
            elif not ticket.title.strip() or not ticket.remote_id:
                yield BadRow(number, number, "ticket", "has no title, or no number")
            else:
                yield ClosedReport(ticket.labels, ticket.title, ticket.text, ticket.created)

    def _tickets(self) -> Iterator[ClosedTicket]:
        until, after, seen = clock.now() + self.longest.total_seconds(), "", set[str]()
        for _ in range(MOST_PAGES):
            page = self._page(after, until)
            # Those that moved to a later page, when others were closed meanwhile, come once.
            yield from (ticket for ticket in page.items if not ticket.remote_id or ticket.remote_id not in seen)
            seen.update(ticket.remote_id for ticket in page.items)
            if not (after := page.after):
                return
        raise NotSent(f"there are more than {MOST_PAGES} pages of tickets")

    def _page(self, after: str, until: float) -> Page[ClosedTicket]:
        pauses = iter(self.pauses)
        while True:
            try:
                return self.tool.closed(self.target, after, min(until, clock.now() + ONE_PAGE.total_seconds()))
            except NotSent as error:
                if isinstance(error.__cause__, Refused):  # by our own door
                    raise error.__cause__ from None
                self._wait(error, pauses, until)

    def _wait(self, error: NotSent, pauses: Iterator[float], until: float) -> None:
        """Wait as long as it asks, else a while; raises the error if that is too often or too long."""
        asked = error.retry_after
        seconds = next(pauses, None) if asked is None else max(asked.total_seconds(), LEAST_WAIT)
        if seconds is None:
            raise error
        if clock.now() + seconds >= until:
            longest = f"{self.longest.total_seconds() / 60:g} minutes"
            raise NotSent(f"the tickets cannot be read in {longest}; ask for fewer with --most: {error}") from error
        if seconds >= TOLD_WAIT:
            self.waits(f"waiting {seconds:.0f} s: {error}")
        time.sleep(seconds)


def _known(cls: type[ToolSettings], base: ToolSettings | None, given: Given) -> Json:
    """What is set; the token only for the address that it is set for."""
    if base is None:
        return {"key_field": ANY_FIELD} if "key_field" in cls.model_fields else {}
    set_ones = base.model_dump()
    elsewhere = given.url and given.url != set_ones["url"]
    return {name: value for name, value in set_ones.items() if not (elsewhere and name == "token")}


def _told(cls: type[ToolSettings], given: Given) -> Json:
    told: Json = {"url": given.url, "email": given.user, "token": _token(given.token_env)}
    return {name: value for name, value in told.items() if value and name in cls.model_fields}


def _token(name: str) -> str:
    if name and not os.environ.get(name, "").strip():
        raise InvalidSetting(f"the environment variable {name} (--token-env) is not set, or empty")
    return os.environ.get(name, "").strip() if name else ""


def _valid(cls: type[ToolSettings], known: Json, kind: str) -> ToolSettings:
    try:
        return cls.model_validate(known)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidSetting(f"{kind}: {field}: {first['msg']}; set it in [tracker], or give it as an option") from None
