"""The policy: what may leave the house, as data with a version. A TOML file, read once; see `default_policy.toml`.

Everything that a file leaves out has a safe value. Judging by it is pure: see `judge` and `approval`.
"""

import json
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo

import pydantic
from pydantic import AfterValidator, Field, StringConstraints

from triage import datafile, errors
from triage.guards.units import DayHours, Duration, Hours
from triage.model import Record, Severity, Stage, digest

DEFAULT_POLICY = Path(__file__).with_name("default_policy.toml")
ANY = "*"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
VERSION_DIGITS = 12
LONGEST_LINE = 160


class Purpose(StrEnum):
    """What a request is for: the name of its section of the policy."""

    TICKETS = "tickets"
    NOTICES = "notices"
    EVENTS = "events"


PURPOSES = {Stage.CREATE_TICKET: Purpose.TICKETS, Stage.NOTIFY: Purpose.NOTICES, Stage.FOLLOW_UP: Purpose.EVENTS}


def _sorted(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(given)))  # so that the order in the file does not make another version


Count: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Entry: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Domain: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=253)]
Host: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9.:_-]+$", max_length=253)]
Day: TypeAlias = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
Span: TypeAlias = Annotated[Duration, Field(gt=timedelta(), le=timedelta(days=3_650))]
Entries: TypeAlias = Annotated[tuple[Entry, ...], Field(max_length=10_000), AfterValidator(_sorted)]


class Section(Record):
    """What all purposes share. No `targets`: only those that are set for the tool; `*`: any that the tool has."""

    targets: Entries = ()
    per_run: Count = 1


class Tickets(Section):
    """Tickets, and the labels that a decision may give them; none: those of the rules."""

    labels: Entries = ()


class Events(Section):
    """Calendar blocks: working hours and days are those of `time_zone`."""

    longest: Span = timedelta(hours=2)
    furthest: Span = timedelta(days=90)
    most_attendees: Annotated[int, Field(strict=True, ge=0, le=1_000)] = 5
    domains: Annotated[tuple[Domain, ...], AfterValidator(_sorted)] = ()
    working_hours: DayHours = Hours(timedelta(hours=9), timedelta(hours=17))
    working_days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)] = ("Mon", "Tue", "Wed", "Thu", "Fri")
    time_zone: ZoneInfo = ZoneInfo("UTC")

    @cached_property
    def weekdays(self) -> frozenset[int]:
        """The working days as `datetime.weekday` counts them."""
        return frozenset(map(DAYS.index, self.working_days))


class FollowUps(Record):
    """Which follow-ups have a tool at all."""

    kinds: tuple[Literal["calendar.block"], ...] = ("calendar.block",)


class Links(Record):
    """Which internal hosts a link may name."""

    hosts: Annotated[tuple[Host, ...], AfterValidator(_sorted)] = ()

    @cached_property
    def internal(self) -> frozenset[str]:
        """The hosts."""
        return frozenset(self.hosts)


class Limits(Record):
    """Calls by the tool's name, in a day and in a minute; the latter take the place of what the tool declares."""

    per_day: dict[Entry, Count] = Field(default_factory=dict)
    per_minute: dict[Entry, Count] = Field(default_factory=dict)


class Breaker(Record):
    """When a tool that fails is left alone: after so many failures in a row, each time in a row for twice as long."""

    threshold: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 10
    cool_down: Span = timedelta(seconds=5)


class ApprovalRules(Record):
    """What waits for a person: whatever fits any of these; nothing fits an empty one."""

    severities: tuple[Severity, ...] = ()
    tools: Entries = ()
    purposes: tuple[Purpose, ...] = ()
    below_confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.0
    people: Annotated[int, Field(strict=True, ge=1, le=10)] = 1
    lifetime: Span = timedelta(hours=24)


class Policy(Record):
    """A whole policy file."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
    tickets: Tickets = Tickets()
    notices: Section = Section(per_run=2)
    events: Events = Events()
    follow_ups: FollowUps = FollowUps()
    links: Links = Links()
    limits: Limits = Limits()
    breaker: Breaker = Breaker()
    approval: ApprovalRules = ApprovalRules()

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a policy file; the shipped one without a path.

        Raises `InvalidSetting`, naming the file and the line, when it cannot be read or breaks a bound.
        """
        path = path or DEFAULT_POLICY
        try:
            return cls.model_validate(datafile.read(path))
        except pydantic.ValidationError as error:
            raise errors.InvalidSetting(f"{path}: {_first_problem(error)}") from None

    @cached_property
    def version(self) -> str:
        """Its name and the beginning of the SHA-256 of what it says, the same wherever and however it is written."""
        return f"{self.name}@{digest(self._dumped).hex()[:VERSION_DIGITS]}"

    def section(self, purpose: Purpose) -> Section:
        """The section for a purpose."""
        return {Purpose.TICKETS: self.tickets, Purpose.NOTICES: self.notices, Purpose.EVENTS: self.events}[purpose]

    def line(self, rule: str) -> str:
        """The line that a rule such as `events.longest` is in: `events.longest = 2 h`; what is in no line is itself."""
        return self._lines.get(rule, rule)

    @cached_property
    def _lines(self) -> dict[str, str]:
        return {rule: f"{rule} = {text}"[:LONGEST_LINE] for rule, text in _flat(self._dumped)}

    @cached_property
    def _dumped(self) -> dict[str, Any]:
        return self.model_dump(mode="json")


def _flat(dumped: dict[str, Any]) -> Iterator[tuple[str, str]]:
    sections = {name: fields for name, fields in dumped.items() if isinstance(fields, dict)}
    for name, fields in sections.items():
        for field, value in fields.items():
            yield f"{name}.{field}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _first_problem(error: pydantic.ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    problem = first["msg"].removeprefix("Value error, ")
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {problem}" if where else problem
