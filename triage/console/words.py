"""Values as people read them: moments, durations, money. What others wrote is escaped by the templates."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

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
    total = abs(span.total_seconds() if isinstance(span, timedelta) else float(span))
    if total < 1:
        return f"{total * 1000:.0f} ms"
    for limit, size, unit in ((100, 1, "s"), (6_000, 60, "min"), (172_800, 3_600, "h")):
        if total < limit:
            return f"{total / size:.3g} {unit}"
    return f"{total / 86_400:.3g} d"


def ago(at: datetime | None) -> str:
    """How long ago something was, or in how long it is."""
    if at is None:
        return "–"
    gone = datetime.now(UTC) - at
    return f"{duration(gone)} ago" if gone >= timedelta() else f"in {duration(gone)}"


def dollars(micro: int | None) -> str:
    """Millionths of a US dollar in dollars, as exact as it matters."""
    if not micro:
        return "$0"
    amount = micro / 1_000_000
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.6f}".rstrip("0")


def number(count: float) -> str:
    """A count with thousands apart."""
    return f"{count:,}".replace(",", " ")


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
    "plain_json": plain_json,
    "cut": cut,
    "stage": lambda name: STAGES.get(name, name),
    "waits": lambda name: WAITS.get(name or "", "a worker has it, or it waits for one"),
    "status_words": lambda name: STATUS_WORDS.get(name, name),
}
