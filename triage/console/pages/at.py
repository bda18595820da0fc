"""What was done at a time: the answer of `triage explain --at`."""

from datetime import UTC, datetime, tzinfo
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from triage import story
from triage.bootstrap import Services
from triage.console.desk import desk, page, with_query
from triage.story import Line
from triage.story.words import time
from triage.text import when

SHOWN = 200
LONGEST = 40


def at(request: Request) -> Response:
    """The answer, with ways to what was just before and after; or what is wrong with the question."""
    text, span = (request.query_params.get(name, "").strip()[:LONGEST] for name in ("at", "for"))
    shown: dict[str, Any] = {"text": text, "length": span or "5m", "answer": None, "wrong": ""}
    try:
        shown |= _answered(desk(request).services, text, shown["length"]) if text else {}
    except (ValueError, OverflowError) as error:
        shown["wrong"] = str(error)
    return page(request, "at.html", **shown)


def _answered(services: Services, text: str, length: str) -> dict[str, Any]:
    now = datetime.now(UTC).astimezone()
    zone = now.tzinfo or UTC
    since, span = when.moment(text, zone, now), when.length(length)
    found = services.history.during(since.astimezone(UTC), since.astimezone(UTC) + span, SHOWN)
    answer = story.answer(found, zone)
    return {
        "answer": answer,
        "lines": [(line, _bare(line, zone)) for line in answer.lines],
        "before": _link(since - span, length),
        "after": _link(since + span, length),
        "since": since,
        "runs": with_query("/runs", {"since": _text(since), "until": _text(since + span)}),
    }


def _bare(line: Line, zone: tzinfo) -> str:
    """Without the time before it and the link behind it, which the page has in places of their own."""
    return line.text.removeprefix(f"{time(line.at, zone)} ").removesuffix(f"; {line.link}")


def _link(moment: datetime, length: str) -> str:
    return with_query("/at", {"at": _text(moment), "for": length})


def _text(moment: datetime) -> str:
    """With its zone, so that it is the same moment whoever opens the address."""
    return moment.astimezone(UTC).isoformat(" ", "seconds")


ROUTES = [Route("/at", at)]
