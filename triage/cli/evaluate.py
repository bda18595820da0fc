"""The command `eval`: how good the rules or a model are on reports whose kind people said."""

import hashlib
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from triage.cli import figures, frame, labels
from triage.cli.submit import FormChoice
from triage.cli.text import one_line
from triage.model import Json, Report

if TYPE_CHECKING:
    from triage.decide.learned.report import Case, Evaluation
    from triage.decide.learned.reports import LabelledReport
    from triage.decide.opinion import Opinion

Ask: TypeAlias = "Callable[[LabelledReport], Opinion | None]"

COMPARED = (
    "accuracy",
    "macro_f1",
    "coverage",
    "accuracy_at_target",
    "cost_usd",
    "latency_p50_ms",
    "latency_p95_ms",
)
"""What a baseline is compared by."""


@dataclass(frozen=True)
class _Decider:
    """`threshold` is the confidence from which on it decides; None: never."""

    ask: Ask
    version: str
    threshold: float | None
    target: float


def evaluate(  # noqa: PLR0913 - each option is a parameter
    file: labels.File,
    *,
    label: labels.Label = "label",
    title: labels.Title = "title",
    body: labels.Body = None,
    created: labels.Created = None,
    form: labels.Form = FormChoice.AUTO,
    renamed: labels.Renamed = None,
    dropped: labels.Dropped = None,
    kept: labels.Kept = None,
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="Measure this model.")] = None,
    rules: Annotated[bool, typer.Option("--rules", help="Measure the rules.")] = False,
    rules_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Other rules than the settings'.")] = None,
    target: Annotated[
        float | None, typer.Option(min=0.5, max=0.99, help="Another target than the model was trained for.")
    ] = None,
    test_from: labels.From = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An earlier --json output to compare with.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw calibration and coverage, as PNG.")] = None,
    as_json: frame.AsJson = False,
) -> None:
    """Measure the rules or a model on reports whose kind people said.

    Measure on reports that the model did not learn from, such as later ones (`--test-from`): on its own it always looks
    better. Rules say one of their kinds; `--map` makes other labels comparable. Both cost nothing but time.

    Example: [bold]triage eval later.csv --label type --model ours.model --baseline before.json[/]
    """
    if (model is None) == (not rules):
        raise frame.Misused("give either --model FILE or --rules")
    columns = {"label": label, "title": title, "body": body, "created": created}
    source = labels.Source.of(file, form, columns, renamed, dropped, kept)
    before = _baseline(baseline) if baseline else None
    with labels.extra():
        decider = _model(model, target) if model else _rules(rules_file, target)
        found = labels.load(source, as_json=as_json)
        past, later = labels.split(found, test_from)
        cases, seconds = _asked(later if test_from else past, decider, as_json=as_json)
        evaluation = _measured(cases, decider)
        _draw(evaluation, cases, plot)
    document = _document(evaluation, decider, seconds)
    deltas = _deltas(document, before) if before is not None else None
    if as_json:
        frame.show_json(document | {"rows": found.as_json()} | ({} if deltas is None else {"deltas": deltas}))
    else:
        found.tell()
        _tell(evaluation, decider, document, deltas)
    if found.bad:
        raise typer.Exit(frame.Code.NOT_ALL_WELL)


def _model(path: Path, target: float | None) -> _Decider:
    from triage.decide.learned import fileformat  # noqa: PLC0415 - start-up speed, and an extra

    model = fileformat.load(path)
    wanted = model.target if target is None else target
    threshold = model.threshold_for(wanted)
    return _Decider(lambda report: model.opinion(report.title, report.body), model.version, threshold, wanted)


def _rules(path: Path | None, target: float | None) -> _Decider:
    from triage import config  # noqa: PLC0415 - start-up speed
    from triage.decide.opinion import Opinion  # noqa: PLC0415 - start-up speed
    from triage.decide.rules import DEFAULT_RULES, Rules  # noqa: PLC0415 - start-up speed

    path = path or config.load().rules or DEFAULT_RULES
    loaded = Rules.load(path)
    version = f"rules-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"

    def ask(report: "LabelledReport") -> "Opinion | None":
        rule = loaded.match(_as_report(report))
        if rule is None:
            return None
        return Opinion(rule.kind.value, 1.0, (), "rules", version, f"Rule {rule.name}: {rule.reason}")

    return _Decider(ask, version, 0.0, target or 0.93)


def _as_report(report: "LabelledReport") -> Report:
    bounds = {"title": report.title[:500], "body": report.body[:100_000].replace("\x00", " ")}
    return Report.parse({"source": "eval", "source_id": "1", **bounds})


def _asked(reports: "list[LabelledReport]", decider: _Decider, *, as_json: bool) -> "tuple[list[Case], list[float]]":
    """Ask about each report; with the seconds that each opinion took."""
    from triage.decide.learned.report import Case  # noqa: PLC0415 - start-up speed

    cases, seconds = [], []
    with labels.ticking(len(reports), "asking", as_json=as_json) as step:
        for report in reports:
            began = time.perf_counter()
            opinion = decider.ask(report)
            seconds.append(time.perf_counter() - began)
            cases.append(Case(report.label, opinion))
            step()
    return cases, seconds


def _measured(cases: "list[Case]", decider: _Decider) -> "Evaluation":
    from triage.decide.learned.report import evaluate  # noqa: PLC0415 - start-up speed

    if not cases:
        raise frame.Misused("the file has no labelled report")
    return evaluate(cases, decider.threshold, decider.target)


def _draw(evaluation: "Evaluation", cases: "list[Case]", plot: Path | None) -> None:
    if plot is not None:
        from triage.decide.learned import plots  # noqa: PLC0415 - start-up speed, and an extra

        plots.save(evaluation, cases, plot, f"{len(cases)} reports")


def _document(evaluation: "Evaluation", decider: _Decider, seconds: list[float]) -> Json:
    speed = {"latency_p50_ms": _percentile(seconds, 50), "latency_p95_ms": _percentile(seconds, 95)}
    return {"version": decider.version, "cost_usd": 0.0, **speed, **evaluation.as_json()}


def _percentile(seconds: list[float], percent: int) -> float:
    """In milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 99
    return round(cuts[percent - 1] * 1000, 3)


def _baseline(path: Path) -> Json:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise frame.Misused(f"--baseline {path}: {error}") from None
    if not isinstance(found, dict) or "accuracy" not in found:
        raise frame.Misused(f"--baseline {path}: is no output of `triage eval --json`")
    return found


def _deltas(document: Json, before: Json) -> Json:
    """Now less then, where both are numbers."""
    pairs = {name: (document[name], before.get(name)) for name in COMPARED}
    numbers = {name: pair for name, pair in pairs.items() if all(isinstance(value, (int, float)) for value in pair)}
    return {name: round(now - then, 6) for name, (now, then) in numbers.items()}


def _tell(evaluation: "Evaluation", decider: _Decider, document: Json, deltas: Json | None) -> None:
    figures.tell(evaluation, f"{decider.version}, on {evaluation.cases} reports")
    typer.echo(
        f"\ncost 0 USD · latency p50 {document['latency_p50_ms']:g} ms, p95 {document['latency_p95_ms']:g} ms a report"
    )
    if deltas is not None:
        typer.echo("against the baseline: " + one_line(", ".join(f"{name} {deltas[name]:+g}" for name in deltas), 300))
