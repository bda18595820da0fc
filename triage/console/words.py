"""Values as people read them: moments, durations, money. What others wrote is escaped by the templates."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

from triage.story.words import took

STATUS_WORDS = {
    "active": "goes on by itself",
    "held": "waits for a person",
    "dead": "gave up",
    "cancelled": "was stopped",
    "done": "done",
}
WAITS = {
    "relay": "waits to be given to a worker",
    "tool": "waits for the other system",
    "quarantine": "waits until the other system can be asked what happened",
    "switch": "waits until its tool is put back in service",
    "person": "waits for a person",
}
STAGES = {"triage": "triage", "create_ticket": "create ticket", "notify": "notify", "follow_up": "follow up"}


def moment(at: datetime | None) -> Markup:
    """A point in time, in the server's time zone, with the exact one as its title."""
    if at is None:
        return Markup("–")
    local = at.astimezone()
    text = (
        local.strftime("%H:%M:%S") if local.date() == datetime.now(UTC).astimezone().date() else f"{local:%d %b %H:%M}"
    )
    text = text if local.year == datetime.now(UTC).astimezone().year else f"{local:%Y-%m-%d %H:%M}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(), f"{local:%Y-%m-%d %H:%M:%S %Z}", text
    )


def clock(at: datetime) -> str:
    """The time of day, with the day if it is not today; for axes."""
    local = at.astimezone()
    today = local.date() == datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M:%S" if today else "%d %b %H:%M")


def duration(span: timedelta | float | None) -> str:
    """A duration (a number is in seconds): 340 ms, 1.2 s, 5 min, 3 h, 2 d."""
    if span is None:
        return "–"
    return took(span if isinstance(span, timedelta) else timedelta(seconds=span))


def ago(at: datetime | None) -> str:
    """How long ago something was, or in how long it is."""
    if at is None:
        return "–"
    gone = datetime.now(UTC) - at
    return f"{_roughly(gone)} ago" if gone >= timedelta() else f"in {_roughly(gone)}"


def _roughly(span: timedelta) -> str:
    """In whole numbers, so that what is read again and again does not flicker."""
    total = abs(span.total_seconds())
    for limit, size, unit in ((100, 1, "s"), (6_000, 60, "min"), (172_800, 3_600, "h")):
        if total < limit:
            return f"{total / size:.0f} {unit}"
    return f"{total / 86_400:.0f} d"


def dollars(micro: int | None) -> str:
    """Millionths of a US dollar in dollars, as exact as it matters."""
    if not micro:
        return "$0"
    amount = micro / 1_000_000
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.6f}".rstrip("0")


def number(count: float) -> str:
    """A count with thousands apart."""
    return f"{count:,}".replace(",", " ")


def percent(share: float | None) -> str:
    """A share (1: all), as exact as it matters: 99.95 %, 12.5 %, 100 %."""
    if share is None:
        return "–"
    value = share * 100
    exact = f"{value:.2f}" if 99 < value < 100 or 0 < abs(value) < 1 else f"{value:.1f}"  # noqa: PLR2004
    return f"{exact.rstrip('0').rstrip('.')} %"


def rate(per_minute: float) -> str:
    """How often: 12 a second, 3.4 a minute, 8 an hour."""
    for least, size, unit in ((60, 1 / 60, "second"), (1, 1, "minute"), (0, 60, "hour")):
        if per_minute >= least:
            return f"{per_minute * size:.3g} {'an' if unit == 'hour' else 'a'} {unit}"
    return "none"


def plain_json(value: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    """JSON for people, in lines."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def cut(text: object, most: int) -> str:
    """At most so many characters in one line."""
    line = " ".join(str(text)[: most * 4].split())
    return line if len(line) <= most else line[: most - 1] + "…"


FILTERS = {
    "moment": moment,
    "clock": clock,
    "duration": duration,
    "ago": ago,
    "dollars": dollars,
    "number": number,
    "percent": percent,
    "rate": rate,
    "plain_json": plain_json,
    "cut": cut,
    "stage": lambda name: STAGES.get(name, name),
    "waits": lambda name: WAITS.get(name or "", "a worker has it, or it waits for one"),
    "status_words": lambda name: STATUS_WORDS.get(name, name),
}
