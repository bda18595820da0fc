"""Runs as text: a table of many, the story of one. Whatever others wrote is shown as it is, never as markup."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from triage.cli.text import moment, one_line, plain, until
from triage.model import EffectState, Json, Status
from triage.story import words

if TYPE_CHECKING:
    from triage.store.runs import AttemptView, EffectView, EventView, RunLine, RunStory

_COLOURS = {
    Status.DONE: "green",
    Status.ACTIVE: "cyan",
    Status.HELD: "yellow",
    Status.DEAD: "red",
    Status.CANCELLED: "dim",
}
_WAITS = {
    "relay": "waits to be given to a worker",
    "tool": "waits for the other system",
    "quarantine": "waits until the other system can be asked what happened",
    "switch": "waits until its tool is put back in service",
    "person": "waits for a person",
}
_COLUMNS = {
    "run": 0,
    "status": 0,
    "report": 0,
    "kind": 100,
    "severity": 100,
    "decided by": 130,
    "ticket": 0,
    "notice": 130,
    "waits or why": 110,
}
"""The columns of the table, each with the width from which it is shown."""
_ID_WIDTH = 36
_BODY_SHOWN = 2_000


def table(lines: "Sequence[RunLine]", width: int) -> Table:
    """One row for each run, with the columns that `width` has room for."""
    names = [name for name, needed in _COLUMNS.items() if width >= needed]
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in names:
        shown.add_column(name, no_wrap=True, min_width=_ID_WIDTH if name == "run" else None)
    for line in lines:
        cells = _cells(line)
        shown.add_row(*(cells[name] for name in names))
    return shown


def _cells(line: "RunLine") -> dict[str, Text]:
    what = {"kind": line.kind, "severity": line.severity, "decided by": line.decided_by}
    objects = {"ticket": line.ticket, "notice": line.notice}
    texts = {"report": f"{line.source} {line.source_id}", **what, **objects, "waits or why": _short_why(line)}
    plainly = {name: Text(one_line(text or "–", 60)) for name, text in texts.items()}
    return {"run": Text(str(line.id)), "status": _status(line.status), **plainly}


def story(told: "RunStory") -> Group:
    """Everything known of a run, for reading from top to bottom."""
    line = told.run
    head = Text.assemble((f"run {line.id}  ", "bold"), _status(line.status), f"  at {line.checkpoint}")
    parts: list[RenderableType] = [head, Text(_why(told)), Text()]
    parts += _section("Report", _report(told.report))
    decided = [*_decision(told.decision), *_should(told.corrections)] if told.decision else ["none yet"]
    parts += _section("Decision", decided)
    parts += _section("What happened", [*_timeline(told), *(f"trace {trace}" for trace in told.traces)])
    return Group(*parts)


def _section(title: str, lines: Sequence[str]) -> list[RenderableType]:
    indented = (Padding(Text(plain(line)), (0, 0, 0, 2), expand=False) for line in lines)
    return [Text(title, style="bold"), *indented, Text()]


def _status(status: Status) -> Text:
    return Text(status, style=_COLOURS[status])


def _short_why(line: "RunLine") -> str:
    if line.status is Status.DONE:
        return ""
    return line.reason or ("" if line.status is Status.CANCELLED else "on its way")


def _why(told: "RunStory") -> str:
    """Why the run stands where it stands, on whom it waits, and when it goes on."""
    line = told.run
    reason = plain(line.reason or "")
    match line.status:
        case Status.DONE:
            took = (line.finished_at or line.created_at) - line.created_at
            return f"Done after {words.took(took)}."
        case Status.DEAD:
            return f"Gave up: {reason}. To try again: triage redrive {line.id}"
        case Status.HELD:
            return f"Waits for a person{_why_held(told)}"
        case Status.CANCELLED:
            return f"{reason[:1].upper()}{reason[1:]}."
    return _why_active(line, reason)


def _why_held(told: "RunStory") -> str:
    line, reason = told.run, plain(told.run.reason or "")
    if _unknown(told):
        return f": {reason}. Find out what happened, then: triage resolve {line.id} --fence {line.fence} …"
    if told.waits_for_leave is not None:
        return f"'s leave: {reason}. See: triage approvals show {told.waits_for_leave}"
    return f": {reason}. To go on: triage redrive {line.id}"


def _why_active(line: "RunLine", reason: str) -> str:
    on = _WAITS.get(line.waits_on or "", "a worker has it, or it waits for one")
    because = f", because of: {reason}" if reason else ""
    return f"Goes on by itself: {on}{because}. Next: {until(line.due)} ({moment(line.due)})."


def _unknown(told: "RunStory") -> bool:
    return any(effect.state == EffectState.UNKNOWN for effect in told.effects)


def _report(report: Json) -> list[str]:
    facts = [f"{report.get('source')} {report.get('source_id')} ({report.get('kind', 'bug')})"]
    facts += [f"by {report['reporter']}"] if report.get("reporter") else []
    facts += [report["url"]] if report.get("url") else []
    facts += [f"labels: {', '.join(report['labels'])}"] if report.get("labels") else []
    body = str(report.get("body") or "")
    cut = f"\n… ({len(body)} characters; --json has them all)" if len(body) > _BODY_SHOWN else ""
    return [str(report.get("title")), " · ".join(facts), *(["", body[:_BODY_SHOWN] + cut] if body.strip() else [])]


def _decision(decision: Json) -> list[str]:
    what = " · ".join(str(decision[name]) for name in ("kind", "severity", "component") if decision.get(name))
    told = [what, f"to {decision['route']}, decided by {decision['decided_by']}", str(decision["reason"])]
    return [*told, *_related(decision)]


def _related(decision: Json) -> Iterator[str]:
    if same := decision.get("same_as"):
        yield f"a comment on {same['ticket']} instead of a ticket of its own"
    for one in decision.get("related") or ():
        like = f"{one['likeness']:.0%} alike" if one["why"] in {"similar", "model"} else f"equal {one['why']}"
        by = ", says the model" if one["why"] == "model" else ""
        where = f" {one['url']}" if one.get("url") else ""
        yield f"possibly the same: {one['ticket']}{where} ({like}{by}) {one_line(str(one['title']), 80)}"


def _should(corrections: Mapping[str, str]) -> list[str]:
    said = ", ".join(f"{name} {value or 'none'}" for name, value in sorted(corrections.items()))
    return [f"people say that it should have been: {said}"] if said else []


def _timeline(told: "RunStory") -> list[str]:
    moments = [
        (told.run.created_at, "received"),
        *_attempts(told.attempts),
        *_effects(told.effects),
        *_events(told.events),
    ]
    began = told.run.created_at
    return [
        f"{moment(at)}  +{words.took(at - began):<7} {text}" for at, text in sorted(moments, key=lambda one: one[0])
    ]


def _attempts(attempts: "Sequence[AttemptView]") -> Iterator[tuple[datetime, str]]:
    for attempt in attempts:
        took = f" after {words.took(timedelta(seconds=attempt.seconds))}" if attempt.seconds is not None else ""
        error = f": {attempt.error}" if attempt.error else ""
        yield attempt.ended_at, f"{attempt.stage}, attempt {attempt.number}: {attempt.outcome}{took}{error}"


def _effects(effects: "Sequence[EffectView]") -> Iterator[tuple[datetime, str]]:
    for effect in effects:
        link = effect.remote_url or effect.remote_id
        came_to = f"{effect.state}, {link}" if link else effect.state
        error = f": {effect.error}" if effect.error and effect.state != EffectState.CONFIRMED else ""
        left_out = f"; left out there: {'; '.join(effect.dropped)}" if effect.dropped else ""
        policy = f" [policy {effect.policy}]" if effect.policy and effect.state == EffectState.REFUSED else ""
        last = effect.sent_at or datetime.now(UTC)  # what is only planned belongs at the end
        yield last, f"{effect.stage}: call to {effect.tool} ({effect.target}): {came_to}{error}{policy}{left_out}"


def _events(events: "Sequence[EventView]") -> Iterator[tuple[datetime, str]]:
    for event in events:
        by = f" by {event.detail['by']}" if event.detail.get("by") else ""
        if event.what == "corrected":
            yield event.at, _corrected(event.detail) + by
        else:
            yield event.at, str(event.detail.get("reason") or f"{event.what}{by}")


def _corrected(detail: Json) -> str:
    went = f"from {detail.get('was') or 'nothing'} to {detail.get('now') or 'nothing'}"
    return f"{detail.get('field')} corrected {went}{' in the tracker' if detail.get('origin') == 'tracker' else ''}"
