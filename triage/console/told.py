"""What happened to a run, one sentence for each entry of its history."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.console.words import STAGES, dollars, duration
from triage.store.history import Entry


@dataclass(frozen=True, slots=True)
class Line:
    """`style` is good, bad, person or plain; `link` leads to what was made."""

    at: datetime
    text: str
    style: str
    link: str


def lines(entries: list[Entry]) -> list[Line]:
    """In the order of the entries."""
    return [Line(one.at, _text(one), _style(one), one.link or "") for one in entries]


def _text(one: Entry) -> str:
    tell = {
        "received": _received,
        "ask": _ask,
        "attempt": _attempt,
        "approval": _approval,
        "event": _event,
        "call": _call,
        "tool": _tool,
    }.get(one.what)
    if one.what == "ended":
        return "done"
    return tell(one) if tell else f"{one.what} {one.reason or ''}".strip()


def _received(one: Entry) -> str:
    parent = one.detail.get("parent")
    return f"forked from run {parent}" if parent else "the report came in"


def _ask(one: Entry) -> str:
    cost = f" for {dollars(one.cost)}" if one.cost else ""
    return f"{one.tool} was asked{cost}: {one.outcome}"


def _attempt(one: Entry) -> str:
    number, seconds = one.detail.get("attempt"), one.detail.get("seconds")
    took = f" after {duration(timedelta(seconds=seconds))}" if seconds is not None else ""
    who = f" by {one.who}" if one.who else ""
    why = f": {one.reason}" if one.reason else ""
    return f"{STAGES.get(one.stage or '', one.stage)}, attempt {number}: {one.outcome}{took}{who}{why}"


def _approval(one: Entry) -> str:
    said = "leave was used" if one.outcome == "used" else "leave was asked for"
    return f"{said} (approval {one.detail.get('approval')}): {one.reason or ''}".rstrip(": ")


def _event(one: Entry) -> str:
    said = {name: text for name, text in one.detail.items() if name in {"field", "now", "was", "stage"}}
    more = f" ({', '.join(f'{name} {text}' for name, text in said.items())})" if said else ""
    return (
        f"{one.outcome or 'event'}{f' by {one.who}' if one.who else ''}{more}{f': {one.reason}' if one.reason else ''}"
    )


def _call(one: Entry) -> str:
    return f"the call to {one.tool} is {one.outcome}{f': {one.reason}' if one.reason else ''}"


def _tool(one: Entry) -> str:
    return f"{one.tool}: {one.outcome}{f' by {one.who}' if one.who else ''}{f': {one.reason}' if one.reason else ''}"


def _style(one: Entry) -> str:
    if one.what == "event":
        return "person"
    if one.outcome in {"finished", "confirmed"} or one.what == "ended":
        return "good"
    return "bad" if one.outcome in {"dead", "held", "lost", "unknown", "retry"} else "plain"
