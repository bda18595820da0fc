"""What the address of the Runs page says, as a filter; a wrong value is told, never guessed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from starlette.datastructures import QueryParams

from triage.model import Kind, Severity, Stage, Status
from triage.store.search import Cursor, Filter

LONGEST = 200
TEXTS = ("q", "source", "source_id", "ticket", "decided_by")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "status": tuple(Status),
    "stage": tuple(Stage),
    "kind": tuple(Kind),
    "severity": tuple(Severity),
}
NAMES = (*TEXTS, *CHOICES, "since", "until", "cost")
RECENT = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
MICRO = 1_000_000
MOST_DOLLARS = 1_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: the values as they came, the filter that they make, and what is wrong with some of them."""

    values: Mapping[str, str]
    statuses: tuple[str, ...]
    filter: Filter
    before: Cursor | None
    wrong: tuple[str, ...]

    @property
    def query(self) -> dict[str, object]:
        """For an address that asks for the same."""
        return {**{name: text for name, text in self.values.items() if text}, "status": list(self.statuses)}

    @property
    def more(self) -> bool:
        """Whether anything is asked for beside the one box and the status."""
        return any(text for name, text in self.values.items() if name != "q")

    @property
    def narrowed(self) -> bool:
        """Whether anything is asked for at all."""
        return bool(self.statuses or any(self.values.values()))


def read(params: QueryParams) -> Asked:
    """Every value is cut to a length that a person may type."""
    values = {name: _clean(params.get(name, "")) for name in NAMES if name != "status"}
    statuses = tuple(one for one in dict.fromkeys(params.getlist("status")[:10]) if one in CHOICES["status"])
    wrong: list[str] = []
    run_id, words, ticket = _what(values)
    wanted = Filter(
        words=words,
        run_id=run_id,
        ticket=ticket,
        source=values["source"].lower(),
        source_id=values["source_id"],
        statuses=tuple(Status(one) for one in statuses),
        stage=Stage(values["stage"]) if _known("stage", values, wrong) else None,
        kind=values["kind"] if _known("kind", values, wrong) else "",
        severity=values["severity"] if _known("severity", values, wrong) else "",
        decided_by=values["decided_by"],
        since=_moment("from", values["since"], wrong),
        until=_moment("to", values["until"], wrong),
        cost=_cost(values["cost"], wrong),
    )
    return Asked(values, statuses, wanted, cursor(params.get("before", "")), tuple(wrong))


def cursor(text: str) -> Cursor | None:
    """A page's beginning as `cursor_text` wrote it; None (the first page) for anything else."""
    micro, _, run_id = text[:100].partition("_")
    try:
        return Cursor(datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(micro)), UUID(run_id))
    except (ValueError, OverflowError):
        return None


def cursor_text(at: Cursor | None) -> str:
    """For an address."""
    return f"{(at.at - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)}_{at.id}" if at else ""


def _clean(text: str) -> str:
    return text.replace("\x00", "").strip()[:LONGEST]


def _what(values: Mapping[str, str]) -> tuple[UUID | None, str, str]:
    """The one box for everything is a run's id, words, or the address of a ticket."""
    text = values["q"]
    try:
        return UUID(text), "", values["ticket"]
    except ValueError:
        pass
    if "://" in text and not values["ticket"]:
        return None, "", text
    return None, text, values["ticket"]


def _known(name: str, values: Mapping[str, str], wrong: list[str]) -> bool:
    if values[name] and values[name] not in CHOICES[name]:
        wrong.append(f"{name} is one of {', '.join(CHOICES[name])}")
        return False
    return bool(values[name])


def _moment(name: str, text: str, wrong: list[str]) -> datetime | None:
    """`2026-11-17 15:47` in the server's time zone, with a zone of its own, or how long ago: 1h, 24h, 7d, 30d."""
    if not text:
        return None
    if text in RECENT:
        return datetime.now(UTC) - RECENT[text]
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        wrong.append(f"{name} is a time such as 2026-11-17 15:47, or one of {', '.join(RECENT)}")
        return None


def _cost(text: str, wrong: list[str]) -> int | None:
    if not text:
        return None
    try:
        amount = float(text.lstrip("$"))
    except ValueError:
        amount = -1.0
    if not 0 <= amount <= MOST_DOLLARS:
        wrong.append("cost is an amount in US dollars, such as 0.05")
        return None
    return int(amount * MICRO)
