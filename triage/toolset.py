"""Every tool that is set, behind its guards, and what each is for."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from urllib.parse import urlsplit

from triage import config
from triage.guards import links
from triage.guards.chain import Known, guarded
from triage.guards.no_such_tool import NoSuchTool
from triage.guards.policy import ANY, Policy
from triage.guards.slot import next_slot
from triage.model import Outlet, Outlets, Severity
from triage.ports import Tool
from triage.stages.steps import NO_SUCH_TOOL
from triage.store.database import Database
from triage.store.filed import filed
from triage.store.shared import SharedTools
from triage.tools import local
from triage.tools.settings import ToolSettings
from triage.tools.transport import Transport

TRACKER, NOTIFIER, ESCALATION, CALENDAR, SHADOW = config.TOOLS
CALENDAR_BLOCK = "calendar.block"
COMMENTS = "comments"
"""What comments on the tracker's tickets: set up with the tracker, where the kind of tracker can."""
LOCAL = {TRACKER: local.tracker, NOTIFIER: local.inbox}


@dataclass(frozen=True, slots=True)
class Parts:
    """What tools and guards are built from; `routes` and `labels` are all that the deciders may choose."""

    settings: config.Settings
    database: Database
    transport: Transport
    shared: SharedTools
    policy: Policy
    routes: Collection[str]
    labels: Collection[str]


class Toolset:
    """Built once per process; nothing is opened before a tool is first called."""

    def __init__(self, parts: Parts) -> None:
        """Raises InvalidSetting when a tool cannot be built."""
        self._parts = parts
        given = {role: placed(parts.settings, role) for role in config.TOOLS}
        self._settings: Mapping[str, ToolSettings] = {role: its for role, its in given.items() if its is not None}

    @cached_property
    def bare(self) -> dict[str, Tool]:
        """The tools by their role, without guards: for looking only."""
        return {**{role: self._open(role) for role in self._settings}, **self._commenting()}

    @cached_property
    def guarded(self) -> dict[str, Tool]:
        """The tools by their name, as the engine uses them."""
        found = {tool.spec.name: self._guard(role) for role, tool in self.bare.items() if role != SHADOW}
        return {**found, NO_SUCH_TOOL.tool: NoSuchTool(NO_SUCH_TOOL.tool)}

    @cached_property
    def outlets(self) -> Outlets:
        """Which tool gets what."""
        settings, has_calendar = self._parts.settings, CALENDAR in self._settings
        notices = [self._outlet(NOTIFIER)]
        if ESCALATION in self._settings:
            notices.append(self._outlet(ESCALATION, settings.escalation_from))
        review = {"minutes": settings.review.minutes, "attendees": list(settings.review.attendees)}
        block = {CALENDAR_BLOCK: self._outlet(CALENDAR, settings.review.least, review)} if has_calendar else {}
        tracker = replace(self._outlet(TRACKER), labels=self._labels())
        comments = Outlet(self.bare[COMMENTS].spec.name) if COMMENTS in self.bare else None
        return Outlets(tracker, tuple(notices), block, tuple(block), self._slot, comments)

    def may_link(self, url: str) -> bool:
        """Whether the guards let a link to it out."""
        return not links.problem(url, self._hosts | self._parts.policy.links.internal)

    def _outlet(self, role: str, least: Severity | None = None, content: dict[str, object] | None = None) -> Outlet:
        its = self._settings[role]
        return Outlet(self.bare[role].spec.name, its.target, its.routes, least, content or {})

    def _labels(self) -> frozenset[str] | None:
        allowed = self._parts.policy.tickets.labels
        return None if ANY in allowed else frozenset(allowed or self._parts.labels)

    def _slot(self) -> str:
        length = timedelta(minutes=self._parts.settings.review.minutes)
        return next_slot(self._parts.policy.events, datetime.now(UTC), length).isoformat()

    def _open(self, role: str) -> Tool:
        its = self._settings[role]
        if isinstance(its, local.Settings):
            return LOCAL[role](self._parts.database.engine)
        return its.open(f"{its.kind}-{role.replace('_', '-')}", self._parts.transport)

    def _commenting(self) -> dict[str, Tool]:
        its = self._settings[TRACKER]
        if isinstance(its, local.Settings):
            return {COMMENTS: local.comments(self._parts.database.engine)}
        tool = its.commenting(f"{its.kind}-comment", f"{its.kind}-{TRACKER}", self._parts.transport)
        return {COMMENTS: tool} if tool else {}

    def _guard(self, role: str) -> Tool:
        parts, tool = self._parts, self.bare[role]
        as_set = TRACKER if role == COMMENTS else role
        its, values = self._settings[as_set], partial(parts.shared.values, tool.spec.beside or tool.spec.name)
        known = Known(
            targets(parts.settings, as_set, parts.routes), self._hosts, values, filed=partial(filed, parts.database)
        )
        second = self._guard(SHADOW) if role == TRACKER and SHADOW in self._settings else None
        return guarded(tool, policy=parts.policy, shared=parts.shared, known=known, dry_run=its.dry_run, second=second)

    @cached_property
    def _hosts(self) -> frozenset[str]:
        """Of the set tools' own addresses: links to these are ours."""
        urls = (str(getattr(its, "url", "") or "") for its in self._settings.values())
        return frozenset(host.lower() for url in urls if (host := urlsplit(url).hostname))


def placed(settings: config.Settings, role: str) -> ToolSettings | None:
    """A tool's settings; a tracker that names no place of its own files in the set project."""
    its: ToolSettings | None = getattr(settings, role)
    if its is None or its.target or role not in {TRACKER, SHADOW}:
        return its
    return its.model_copy(update={"target": settings.project})


def targets(settings: config.Settings, role: str, routes: Collection[str]) -> frozenset[str]:
    """Where drafts for this role's tool may go, unless the policy says otherwise; none if no such tool is set."""
    its = placed(settings, role)
    if its is None:
        return frozenset()
    fixed = {*its.routes.values(), *([its.target] if its.target else [])}
    return frozenset(fixed or ({CALENDAR_BLOCK} if role == CALENDAR else routes))
