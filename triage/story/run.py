"""The story of one run, in sentences; pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from triage.model import Json, Status
from triage.store.history import Entry
from triage.store.runs import RunLine
from triage.story import words

DOING = {
    "triage": "deciding what the report is",
    "create_ticket": "filing the ticket",
    "notify": "telling people",
    "follow_up": "the follow-up",
}
DID = {"create_ticket": "filed the ticket", "notify": "told people", "follow_up": "did the follow-up"}
_DONE_BY_PEOPLE = {
    "retried": "asked for another try at once",
    "redriven": "gave it a new set of attempts",
    "forked": "forked it from another run",
    "resolved": "said what became of the call",
    "cancelled": "cancelled it",
    "approved": "gave leave",
    "denied": "denied leave",
}
_TOOLS = {
    "disabled": "put {tool} out of service",
    "enabled": "put {tool} back in service",
    "opened": "the breaker of {tool} opened",
    "closed": "the breaker of {tool} closed",
}
_STANDS = {
    Status.ACTIVE: "goes on by itself",
    Status.HELD: "waits for a person",
    Status.DEAD: "was given up",
    Status.CANCELLED: "was cancelled",
    Status.DONE: "is done",
}


_WAITS = {
    "relay": "it waits to be given to a worker",
    "tool": "it waits for the other system",
    "quarantine": "it waits until the other system can be asked what happened",
    "switch": "it waits until its tool is put back in service",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """What happened at `at`, in words that begin with the time; `link` leads to what was made, or is empty."""

    at: datetime
    text: str
    link: str


def summary(run: RunLine, entries: Sequence[Entry]) -> str:
    """The whole in one sentence: what came of it, how long it took, what it cost."""
    cost = sum(entry.cost or 0 for entry in entries)
    facts = [words.many(sum(entry.what == "attempt" for entry in entries), "attempt")]
    facts += [words.dollars(cost)] if cost else []
    took = f" after {words.took(run.finished_at - run.created_at)}" if run.finished_at else ""
    why = f" ({words.short(run.reason)})" if run.reason and run.status is not Status.DONE else ""
    head = f"The run of {run.source} {words.short(run.source_id, 80)} {_STANDS[run.status]}{took}{why}{_next(run)}"
    return f"{head}. It took {words.listed(facts)}{'' if run.finished_at else ' so far'}."


def _next(run: RunLine) -> str:
    if run.status is not Status.ACTIVE:
        return ""
    return f"; {_WAITS.get(run.waits_on or '', 'a worker has it, or is to get it')}"


def sentences(entries: Sequence[Entry], zone: tzinfo) -> list[Sentence]:
    """One for each entry, in order; the day is said where it changes."""
    told, day = [], ""
    for entry in entries:
        today = words.day(entry.at, zone)
        when = f"At {words.time(entry.at, zone)}" if today == day else f"On {today} at {words.time(entry.at, zone)}"
        told.append(Sentence(entry.at, f"{when} {_what(entry, entries[0])}.", entry.link or ""))
        day = today
    return told


def _what(entry: Entry, first: Entry) -> str:
    if entry.what == "ended":
        return f"it was done, {words.took(entry.at - first.at)} after it came in"
    return _TELLERS[entry.what](entry)


def _received(entry: Entry) -> str:
    detail = entry.detail
    text = f"{detail.get('source')} {words.short(detail.get('source_id'), 80)} came in"
    text += f": “{words.short(detail.get('title'), 200)}”"
    return text + (f", as a fork of run {detail['parent']}" if detail.get("parent") else "")


def _ask(entry: Entry) -> str:
    cost, detail = words.dollars(entry.cost or 0), entry.detail
    asked = f"{entry.tool} was asked (prompt {detail.get('prompt')})"
    if entry.outcome == "open":
        return f"{asked}; the answer is to come, and may cost {cost}"
    if entry.outcome == "unaccounted":
        return f"{asked}, and what it answered is lost; {cost} counts as spent"
    tokens = f"{detail.get('input_tokens') or 0:,} tokens in, {detail.get('output_tokens') or 0:,} out"
    return f"{asked}: {tokens}; it cost {cost}"


def _attempt(entry: Entry) -> str:
    if entry.outcome == "finished":
        return _decided(entry) if entry.stage == "triage" else _finished(entry)
    doing = DOING.get(entry.stage or "", str(entry.stage))
    called = f" with {entry.tool}" if entry.tool else ""
    why, attempt = words.short(entry.reason), entry.detail.get("attempt")
    match entry.outcome:
        case "lost":
            return f"{_who(entry)} was found dead in the middle of {doing}{called}; another one was to go on"
        case "held":
            return f"{doing}{called} stopped, to wait for a person: {why}"
        case "dead":
            return f"{doing}{called} was given up after attempt {attempt}: {why}"
    return f"{doing}{called} did not succeed in attempt {attempt}, and was to be tried again: {why}"


def _decided(entry: Entry) -> str:
    decision: Json = entry.detail.get("decision") or {}
    what = ", ".join(str(decision[name]) for name in ("kind", "severity", "component") if decision.get(name))
    versions = ", ".join(f"{name} {words.short(v, 60)}" for name, v in sorted((decision.get("versions") or {}).items()))
    text = (
        f"{_who(entry)} decided{_seconds(entry)}: {what}, for {decision.get('route')}; by {decision.get('decided_by')}"
    )
    text += f" ({versions})" if versions else ""
    text += f", because: {words.short(decision.get('reason'))}"
    same = decision.get("same_as") or {}
    return text + (f"; the same as {same.get('url') or same.get('ticket')}" if same else "")


def _finished(entry: Entry) -> str:
    if entry.reason:
        doing = DOING.get(entry.stage or "", str(entry.stage))
        return f"{doing} with {entry.tool} was refused, and the run went on without it: {words.short(entry.reason)}"
    target = f" ({words.short(entry.detail.get('target'), 80)})" if entry.detail.get("target") else ""
    text = f"{_who(entry)} {DID.get(entry.stage or '', str(entry.stage))} with {entry.tool}{target}{_seconds(entry)}"
    text += f", in attempt {entry.detail['attempt']}" if (entry.detail.get("attempt") or 1) > 1 else ""
    text += f": {entry.link}" if entry.link else ""
    left_out = entry.detail.get("dropped") or ()
    return text + (f"; left out there: {words.short('; '.join(left_out))}" if left_out else "")


def _seconds(entry: Entry) -> str:
    seconds = entry.detail.get("seconds")
    return f" in {words.took(timedelta(seconds=seconds))}" if seconds is not None else ""


def _who(entry: Entry) -> str:
    return f"worker {entry.who}" if entry.who else "a worker"


def _approval(entry: Entry) -> str:
    number = entry.detail.get("approval")
    if entry.outcome == "used":
        return f"leave {number} was used: the call of {entry.tool} was sent"
    people = words.many(int(entry.detail.get("people") or 1), "person", "people")
    return f"leave was asked for (approval {number}, of {people}) to call {entry.tool}: {words.short(entry.reason)}"


def _event(entry: Entry) -> str:
    detail, who = entry.detail, entry.who or "somebody"
    if entry.outcome == "corrected":
        return f"{who} corrected the {detail.get('field')} from “{detail.get('was')}” to “{detail.get('now')}”"
    text = f"{who} {_DONE_BY_PEOPLE.get(entry.outcome or '', str(entry.outcome))}"
    if entry.outcome == "resolved":
        found = detail.get("remote_id")
        text += f": it made {words.short(found, 80)}" if found else ": it did not happen"
    return text + (f": {words.short(entry.reason)}" if entry.reason else "")


def _call(entry: Entry) -> str:
    target = words.short(entry.detail.get("target"), 80)
    if entry.outcome == "unknown":
        return f"{entry.tool} ({target}) was called for the last time; what became of that is not known"
    return f"a call of {entry.tool} ({target}) was begun; it is under way, or its worker died"


def tool(entry: Entry) -> str:
    """What befell a tool, or what a person did to it."""
    name = "every tool" if entry.tool == "*" else str(entry.tool)
    text = _TOOLS.get(entry.outcome or "", f"{entry.outcome} {{tool}}").format(tool=name)
    by_person = entry.outcome in {"disabled", "enabled"}
    head = f"{entry.who or 'somebody'} {text}" if by_person else text + (f" by {entry.who}" if entry.who else "")
    return head + (f": {words.short(entry.reason)}" if entry.reason else "")


_TELLERS: dict[str, Callable[[Entry], str]] = {
    "received": _received,
    "ask": _ask,
    "attempt": _attempt,
    "approval": _approval,
    "event": _event,
    "call": _call,
    "tool": tool,
}
