"""What was done in a time over all runs, as an answer: first in a few sentences, then a line for each run; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from uuid import UUID

from triage.store.history import Count, During, Touched
from triage.story import words
from triage.story.run import tool

_MADE = {"create_ticket": "ticket filed", "notify": "people told", "follow_up": "follow-up done"}
_TRIED = {
    "retry": "{stage} to be tried again",
    "held": "held for a person",
    "dead": "given up",
    "lost": "its worker died",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What happened to one run, beginning with the time; `link` leads to its ticket, or is empty."""

    at: datetime
    run_id: UUID
    text: str
    link: str


@dataclass(frozen=True, slots=True)
class Answer:
    """`summary` is what a manager reads; `lines` has the runs one by one, `left_out` how many of them are not there."""

    summary: tuple[str, ...]
    lines: tuple[Line, ...]
    left_out: int


def answer(during: During, zone: tzinfo) -> Answer:
    """Times are told in `zone`."""
    told = [sentence for sentence in _sentences(during.counts) if sentence] if during.counts else []
    told += [f"At {words.time(entry.at, zone)} {tool(entry)}." for entry in during.tools]
    head = _when(during, zone)
    summary = (head + ":", *told) if told else (f"{head}, nothing was done and no report came in.",)
    return Answer(summary, tuple(_line(run, zone) for run in during.runs), during.left_out)


def _when(during: During, zone: tzinfo) -> str:
    first, last = during.since.astimezone(zone), during.until.astimezone(zone)
    name = f" {first:%Z}" if first.tzname() else ""
    until = "" if first.date() == last.date() else f"{words.day(last, zone)}, "
    return f"On {words.day(first, zone)}, from {words.time(first, zone)} until {until}{words.time(last, zone)}{name}"


def _sentences(counts: Sequence[Count]) -> Iterator[str]:
    yield _received([one for one in counts if one.kind == "received"])
    yield _decided([one for one in counts if one.kind == "decided"])
    tried = {(one.name, one.what): one.number for one in counts if one.kind == "attempt"}
    done = sum(one.number for one in counts if one.kind == "done")
    yield _made(tried, done)
    yield _trouble(tried)
    yield _refused(tried)
    yield _asked([one for one in counts if one.kind == "asked"])
    yield _people([one for one in counts if one.kind == "event"])
    yield _leave(sum(one.number for one in counts if one.kind == "approval"))


def _received(counts: Sequence[Count]) -> str:
    total = sum(one.number for one in counts)
    sources = words.listed([f"{one.number:,} from {one.name}" for one in counts])
    return f"{words.many(total, 'report')} came in: {sources}." if total else "No report came in."


def _decided(counts: Sequence[Count]) -> str:
    total = sum(one.number for one in counts)
    by, kinds = _added((one.name, one.number) for one in counts), _added((one.what, one.number) for one in counts)
    told = f"{words.listed([f'{n:,} by {name}' for name, n in by])} ({words.listed([f'{n:,} {k}' for k, n in kinds])})"
    return f"{words.many(total, 'report was', 'reports were')} decided: {told}." if total else ""


def _added(pairs: Iterator[tuple[str, int]]) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for name, number in pairs:
        found[name] = found.get(name, 0) + number
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))


def _made(tried: dict[tuple[str, str], int], done: int) -> str:
    stages = (("create_ticket", "ticket", "filed"), ("notify", "notice", "sent"), ("follow_up", "follow-up", "done"))
    made = [(tried.get((stage, "finished"), 0), noun, verb) for stage, noun, verb in stages]
    parts = [f"{words.many(number, noun)} {verb}" for number, noun, verb in made if number]
    parts += [f"{words.many(done, 'run')} brought to the end"] if done else []
    return _capital(words.listed(parts)) + "." if parts else ""


def _trouble(tried: dict[tuple[str, str], int]) -> str:
    nouns = (
        ("retry", "attempt to be made again", "attempts to be made again"),
        ("held", "run held for a person", "runs held for a person"),
        ("dead", "run given up", "runs given up"),
        ("lost", "attempt lost with its worker", "attempts lost with their workers"),
    )
    numbers = [(sum(n for (_, what), n in tried.items() if what == outcome), one, more) for outcome, one, more in nouns]
    parts = [words.many(number, one, more) for number, one, more in numbers if number]
    return _capital(words.listed(parts)) + "." if parts else ""


def _refused(tried: dict[tuple[str, str], int]) -> str:
    number = sum(n for (_, what), n in tried.items() if what == "refused")
    return f"{words.many(number, 'call')} refused; the runs went on without." if number else ""


def _asked(counts: Sequence[Count]) -> str:
    asks, cost = sum(one.number for one in counts), sum(one.amount for one in counts)
    models = words.listed([f"{one.name} {words.dollars(one.amount)}" for one in counts])
    return f"Models were asked {words.many(asks, 'time')}, which cost {words.dollars(cost)} ({models})." if asks else ""


def _people(events: Sequence[Count]) -> str:
    parts = [f"{words.many(one.number, 'run')} {one.what}" for one in events]
    return f"What people did: {words.listed(parts)}." if parts else ""


def _leave(asked: int) -> str:
    return f"{words.many(asked, 'call')} had to wait for a person's leave." if asked else ""


def _line(run: Touched, zone: tzinfo) -> Line:
    steps = [*(["came in"] if run.received else []), *_steps(run)]
    steps += [f"{what} by {who}" if who else what for what, who in run.events]
    steps += ["done"] if run.status == "done" and any(step[0] != "triage" for step in run.tried) else []
    cost = f"; {words.dollars(run.cost)}" if run.cost else ""
    ticket = f"; {run.ticket}" if run.ticket and any(step[0] == "create_ticket" for step in run.tried) else ""
    head = f"{words.time(run.at, zone)} {run.source} {words.short(run.source_id, 60)} “{words.short(run.title, 80)}”"
    return Line(run.at, run.run_id, f"{head}: {', '.join(steps)}{cost}{ticket}", run.ticket or "")


def _steps(run: Touched) -> Iterator[str]:
    for stage, outcome, error in run.tried:
        if stage == "triage" and outcome == "finished":
            yield f"decided {run.kind}, {run.severity} by {run.decided_by}"
        elif outcome == "finished":
            yield f"{stage} refused ({words.short(error, 80)})" if error else _MADE.get(stage, stage)
        else:
            words_for = _TRIED.get(outcome, outcome).format(stage=stage)
            yield f"{words_for} ({words.short(error, 80)})" if error else words_for


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
