"""Who did what, the newest first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triage.console.desk import desk, page, with_query
from triage.store.audit import WORDS, Asked, Audit, Deed, Mark
from triage.text import when

PAGE = 50
LONGEST = 200
RECENT = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_START = datetime.fromtimestamp(0, UTC)
_NAMES = ("who", "what", "about", "since", "until")
_SAID = ("why", "reason", "field", "was", "now", "origin", "stage", "outcome", "remote_id", "error", "approval")
"""What is told of an entry's detail, in this order."""


@dataclass(frozen=True, slots=True)
class Told:
    """An entry, and the rest of what it records in words."""

    deed: Deed
    text: str


def audit(request: Request) -> Response:
    """One page of it."""
    values = {name: request.query_params.get(name, "").replace("\x00", "").strip()[:LONGEST] for name in _NAMES}
    wrong: list[str] = []
    asked, before = _asked(values, wrong), _mark(request.query_params)
    found = Audit(desk(request).services.database).page(asked, before, PAGE + 1)
    more = with_query("/audit", {**values, "before": _mark_text(found[PAGE - 1])}) if len(found) > PAGE else ""
    return page(
        request,
        "audit.html",
        values=values,
        words=WORDS,
        wrong=wrong,
        rows=[Told(one, _text(one)) for one in found[:PAGE]],
        older=more,
        first=before is None,
        newest=with_query("/audit", values),
    )


def _asked(values: Mapping[str, str], wrong: list[str]) -> Asked:
    known = {word for words in WORDS.values() for word in words}
    return Asked(
        who=values["who"],
        what=values["what"] if values["what"] in known else "",
        about=values["about"] if values["about"] in WORDS else "",
        since=_moment("from", values["since"], wrong),
        until=_moment("to", values["until"], wrong),
    )


def _moment(name: str, text: str, wrong: list[str]) -> datetime | None:
    now = datetime.now(UTC).astimezone()
    if not text or text in RECENT:
        return now - RECENT[text] if text else None
    try:
        return when.moment(text, now.tzinfo or UTC, now).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        wrong.append(f"{name}: {error}")
        return None


def _mark(params: QueryParams) -> Mark | None:
    """Where the page begins; the first page for anything that is no mark."""
    micro, kind, number = [*params.get("before", "")[:100].split("_"), "", ""][:3]
    try:
        return Mark(_START + timedelta(microseconds=int(micro)), kind, min(int(number), 2**62))
    except (ValueError, OverflowError):
        return None


def _mark_text(deed: Deed) -> str:
    return f"{(deed.at - _START) // timedelta(microseconds=1)}_{deed.kind}_{deed.id}"


def _text(deed: Deed) -> str:
    return "; ".join(_parts(deed))


def _parts(deed: Deed) -> Iterator[str]:
    if deed.what == "corrected":
        yield f"{deed.detail.get('field')}: {deed.detail.get('was') or 'none'} → {deed.detail.get('now') or 'none'}"
        if deed.detail.get("origin") == "tracker":
            yield "in the tracker"
        return
    for name in _SAID:
        text = deed.detail.get(name)
        if name == "reason":
            text = str(text or "").removeprefix(f"{deed.what} by {deed.who}").removeprefix(": ")
        if text not in (None, ""):
            yield str(text) if name in {"why", "reason", "error"} else f"{name.replace('_', ' ')} {text}"


ROUTES = [Route("/audit", audit)]
