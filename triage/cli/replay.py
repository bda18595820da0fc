"""The command `replay`: past reports decided again by another way, in dry run, and what would be different."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import pydantic
import typer
from rich.table import Table
from rich.text import Text

from triage import errors
from triage.cli import frame, trials
from triage.cli.text import one_line, plain
from triage.model import Decision, Json, Report
from triage.model.candidate import answer, differences, right
from triage.text.secrets import mask_report

if TYPE_CHECKING:
    from triage.decide.trial import Tried
    from triage.store.past import PastRun

SHOWN = 50
"""Differences that are listed for people; the JSON has them all."""


@dataclass(frozen=True)
class _Case:
    """A past run, its report as it is decided about (masked), and what was decided."""

    past: "PastRun"
    report: Report
    was: Decision


@dataclass
class _Seen:
    """What came of it."""

    seconds: list[float] = field(default_factory=list)
    same: int = 0
    differing: list[Json] = field(default_factory=list)
    failed: list[Json] = field(default_factory=list)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    corrected: int = 0
    right_before: int = 0
    right_now: int = 0

    @property
    def runs(self) -> int:
        return self.same + len(self.differing) + len(self.failed)

    def add(self, case: "_Case", tried: "Tried") -> None:
        """Count one run."""
        self.seconds.append(tried.seconds)
        if tried.decision is None:
            self.failed.append({"run": str(case.past.run_id), "why": tried.error})
            return
        was, now, corrected = case.was, tried.decision, case.past.corrected
        if corrected:
            self.corrected += 1
            self.right_before += right(was, corrected)
            self.right_now += right(now, corrected)
        if found := differences(was, now):
            self.pairs[answer(was), answer(now)] += 1
            changes = {name: {"was": before, "now": after} for name, (before, after) in found.items()}
            why = {"was_because": was.reason, "now_because": now.reason}
            self.differing.append({"run": str(case.past.run_id), "title": was.title, "changes": changes, **why})
        else:
            self.same += 1


def replay(
    *,
    since: trials.Since = "7d",
    words: trials.With = None,
    budget: trials.Budget = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many runs, the newest.")] = 1_000,
    as_json: frame.AsJson = False,
) -> None:
    """Decide past reports again, in dry run, and tell what would be different. Nothing leaves, and no run is changed.

    Without --with the settings as they are now are tried, which shows what came of changing them. Earlier reports are
    not looked for. Reports go to a model masked, as always. Its money is bounded by --budget alone: the worst case of
    each ask is taken out of it before, and the replay ends when there is no room. Ctrl-C ends it with what there is.

    Example: [bold]triage replay --since 7d --with model=openai:gpt-5-mini --budget 1.00[/]
    """
    back, course, seen = trials.lookback(since), trials.Course(), _Seen()
    with frame.services() as opened:
        trial = trials.build(opened, words or (), budget)
        cases = _readable(opened.past.decided(back, limit), seen)
        with frame.progress(as_json=as_json, counted=False) as bar, course.ending_early():
            task = bar.add_task("deciding again", total=opened.past.count(back, limit))
            with closing(trial.over(cases, lambda case: case.report)) as decided:
                for case, tried in decided:
                    seen.add(case, tried)
                    bar.update(task, completed=seen.runs)
    document = _document(seen, trial.allowance.taken, course) | {"since": since, "with": list(words or ())}
    if as_json:
        frame.show_json(document)
    else:
        _tell(seen, document, course)
    if course.stopped or seen.failed:
        raise typer.Exit(course.stopped.code if course.stopped else frame.Code.NOT_ALL_WELL)


def _readable(runs: "Iterable[PastRun]", seen: _Seen) -> Iterator[_Case]:
    """Those that this version can read; a run of a much older one counts as failed."""
    for past in runs:
        try:
            yield _Case(past, mask_report(Report.parse(past.report)), Decision.model_validate(past.decision))
        except (errors.InvalidReport, pydantic.ValidationError) as error:
            told = str(error).splitlines()[0]
            seen.failed.append({"run": str(past.run_id), "why": f"it is not readable any more: {told}"})


def _document(seen: _Seen, spent: int, course: trials.Course) -> Json:
    """Everything, for programs; `cost_usd` has what was reserved and never settled."""
    pairs = [{"was": was, "now": now, "runs": runs} for (was, now), runs in seen.pairs.most_common()]
    return {
        "runs": seen.runs,
        "same": seen.same,
        "different": len(seen.differing),
        "failed": len(seen.failed),
        "pairs": pairs,
        "corrected": {"runs": seen.corrected, "right_before": seen.right_before, "right_now": seen.right_now},
        "cost_usd": spent / trials.MICRO,
        **trials.latency(seen.seconds),
        "stopped": course.stopped.why if course.stopped else None,
        "differences": seen.differing,
        "failures": seen.failed,
    }


def _tell(seen: _Seen, document: Json, course: trials.Course) -> None:
    if course.stopped:
        frame.note(course.stopped.told)
    if seen.differing:
        frame.output().print(_listed(seen.differing[:SHOWN]))
    if len(seen.differing) > SHOWN:
        frame.note(f"… and {len(seen.differing) - SHOWN} more; --json has them all")
    for one in seen.failed[:SHOWN]:
        frame.note(f"{one['run']}: {one_line(one['why'], 300)}")
    typer.echo(f"{seen.runs} runs: {seen.same} the same, {len(seen.differing)} different, {len(seen.failed)} failed")
    for (was, now), runs in seen.pairs.most_common():
        typer.echo(f"  {was} → {now}: {runs}" + (" (another field)" if was == now else ""))
    if seen.corrected:
        typer.echo(
            f"{seen.corrected} corrected by people: {seen.right_before} right before, {seen.right_now} right now"
        )
    times = f"p50 {document['latency_p50_ms']:g} ms, p95 {document['latency_p95_ms']:g} ms"
    typer.echo(f"cost {document['cost_usd']:g} USD · latency {times} a report")


def _listed(differing: list[Json]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in ("run", "was", "would be", "why", "title"):
        shown.add_column(name, no_wrap=name in {"run", "was", "would be"})
    for one in differing:
        was, now = (" ".join(str(pair[side]) or "–" for pair in one["changes"].values()) for side in ("was", "now"))
        cells = (one["run"], was, now, one["now_because"], one["title"])
        shown.add_row(*(Text(one_line(plain(cell), 80)) for cell in cells))
    return shown
