"""The command `eval`: how good rules, what was learned, a model or all together are, by what people said."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeAlias

import typer

from triage import clock
from triage.cli import figures, frame, labels, trials
from triage.cli.submit import FormChoice
from triage.cli.text import one_line
from triage.model import Json, Report
from triage.model.candidate import NOBODY
from triage.ports import ASK_PATIENCE

if TYPE_CHECKING:
    from triage.bootstrap import Services
    from triage.decide.learned.report import Case, Evaluation
    from triage.decide.learned.reports import LabelledReport
    from triage.decide.opinion import Opinion
    from triage.decide.trial import Trial, Tried

Ask: TypeAlias = "Callable[[LabelledReport], Opinion | None]"

TARGET = 0.93
"""How often opinions should be right, where nothing else says so."""
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
    """`threshold` finds the confidence from which on it decides, perhaps by the cases themselves; None: never."""

    ask: Ask
    version: str
    threshold: "Callable[[Sequence[Case]], float | None]"
    target: float
    trial: "Trial"


@dataclass
class _Asked:
    """What came of asking; reports about which nobody could be asked `failed`, and are no cases."""

    cases: "list[Case]" = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    course: trials.Course = field(default_factory=trials.Course)


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
    llm: Annotated[bool, typer.Option("--llm", help="Measure the language model that is set, alone.")] = False,
    cascade: Annotated[bool, typer.Option("--cascade", help="Measure all together, as they are set.")] = False,
    words: trials.With = None,
    budget: trials.Budget = None,
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
    """Measure rules, a learned model, a language model or all together on reports whose kind people said.

    Measure on reports that the model did not learn from, such as later ones (`--test-from`): on its own it always looks
    better. Rules say one of their kinds; `--map` makes other labels comparable. Only asking a language model costs
    money: at most --budget, the worst case of each ask is taken out of it before. The threshold of a language model
    alone is the best for these very reports, so its coverage looks better than on others.

    Example: [bold]triage eval later.csv --label type --model ours.model --baseline before.json[/]

    Example: [bold]triage eval later.csv --label type --cascade --with model=openai:gpt-5-nano --budget 0.50 --json[/]
    """
    if sum((model is not None, rules, llm, cascade)) != 1:
        raise frame.Misused("give either --model FILE or --rules, --llm or --cascade")
    if words and not (llm or cascade):
        raise frame.Misused("--with goes with --llm or --cascade")
    columns = {"label": label, "title": title, "body": body, "created": created}
    source = labels.Source.of(file, form, columns, renamed, dropped, kept)
    before = _baseline(baseline) if baseline else None
    with labels.extra(), ExitStack() as stack:
        if llm or cascade:
            opened = stack.enter_context(frame.services())
            decider = (_llm if llm else _cascade)(opened, words or (), target, budget)
        else:
            decider = _model(model, target) if model else _rules(rules_file, target)
        found = labels.load(source, as_json=as_json)
        past, later = labels.split(found, test_from)
        asked = _asked(later if test_from else past, decider, as_json=as_json)
        evaluation = _measured(asked, decider)
        _draw(evaluation, asked.cases, plot)
    document = _document(evaluation, decider, asked)
    deltas = _deltas(document, before) if before is not None else None
    if as_json:
        frame.show_json(document | {"rows": found.as_json()} | ({} if deltas is None else {"deltas": deltas}))
    else:
        found.tell()
        _tell(evaluation, decider, document, deltas)
        _tell_failures(asked)
    if asked.course.stopped or asked.failed or found.bad:
        raise typer.Exit(asked.course.stopped.code if asked.course.stopped else frame.Code.NOT_ALL_WELL)


def _model(path: Path, target: float | None) -> _Decider:
    from triage.decide.learned import fileformat  # noqa: PLC0415 - start-up speed, and an extra

    model = fileformat.load(path)
    wanted = model.target if target is None else target
    threshold = model.threshold_for(wanted)
    ask = lambda report: model.opinion(report.title, report.body)  # noqa: E731 - as short as it gets
    return _Decider(ask, model.version, lambda _: threshold, wanted, _free())


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
        return Opinion(rule.kind.value, rule.confidence, (), "rules", version, f"Rule {rule.name}: {rule.reason}")

    return _Decider(ask, version, lambda _: 0.0, target or TARGET, _free())


def _llm(opened: "Services", words: Sequence[str], target: float | None, budget: float | None) -> _Decider:
    from triage import ways  # noqa: PLC0415 - start-up speed
    from triage.decide.candidate import Strict, Tally  # noqa: PLC0415 - start-up speed
    from triage.decide.learned.report import threshold_for  # noqa: PLC0415 - start-up speed
    from triage.decide.trial import claim_of  # noqa: PLC0415 - start-up speed
    from triage.decide.variant import Variant  # noqa: PLC0415 - start-up speed

    asker, wanted = opened.asker_of(Variant.parse(words)), target or TARGET
    if asker is None:
        raise frame.Misused("no language model is set (llm.model); say which with --with model=PROVIDER:MODEL")
    trial = trials.trial(_nobody, asker, budget)

    def ask(report: "LabelledReport") -> "Opinion | None":
        model, masked = Strict(ways.paid(asker, Tally(trial.allowance)), ways.TRIES), _masked(report)
        return model.ask_for(claim_of(masked), masked, (), clock.now() + ASK_PATIENCE.total_seconds()).opinion

    return _Decider(ask, f"llm {asker.first}", lambda cases: threshold_for(cases, wanted), wanted, trial)


def _cascade(opened: "Services", words: Sequence[str], target: float | None, budget: float | None) -> _Decider:
    from triage.decide.candidate import NotAsked  # noqa: PLC0415 - start-up speed

    trial = trials.build(opened, words, budget)

    def ask(report: "LabelledReport") -> "Opinion | None":
        tried = trial.decide(_masked(report))
        if tried.decision is None:
            raise NotAsked(tried.error)
        return _as_opinion(tried)

    return _Decider(ask, " ".join(["cascade", *words]), lambda _: 0.0, target or TARGET, trial)


def _as_opinion(tried: "Tried") -> "Opinion | None":
    from triage.decide.opinion import Opinion  # noqa: PLC0415 - start-up speed

    found = tried.decision
    if found is None or found.decided_by == NOBODY:
        return None
    return Opinion(found.kind.value, found.confidence, (), found.decided_by, str(found.versions), found.reason)


def _free() -> "Trial":
    from triage.decide.trial import Allowance, Trial  # noqa: PLC0415 - start-up speed

    return Trial(_nobody, Allowance(0))


def _nobody(_: object) -> NoReturn:
    raise AssertionError("only its opinions are asked for")


def _masked(report: "LabelledReport") -> Report:
    from triage.text.secrets import mask_report  # noqa: PLC0415 - start-up speed

    return mask_report(_as_report(report))


def _as_report(report: "LabelledReport") -> Report:
    bounds = {"title": report.title[:500], "body": report.body[:100_000].replace("\x00", " ")}
    return Report.parse({"source": "eval", "source_id": "1", **bounds})


def _asked(reports: "list[LabelledReport]", decider: _Decider, *, as_json: bool) -> _Asked:
    """Ask about each report, until the budget is spent or somebody ends it."""
    from triage.decide.learned.report import Case  # noqa: PLC0415 - start-up speed

    found = _Asked()
    spread = decider.trial.spread(reports, lambda report: _timed(decider.ask, report))
    ticking = labels.ticking(len(reports), "asking", as_json=as_json)
    with ticking as step, found.course.ending_early(), closing(spread) as answers:
        for report, (opinion, took, error) in answers:
            found.seconds.append(took)
            if error:
                found.failed.append(error)
            else:
                found.cases.append(Case(report.label, opinion))
            step()
    return found


def _timed(ask: Ask, report: "LabelledReport") -> "tuple[Opinion | None, float, str]":
    """An opinion, the seconds that it took, and why nobody could be asked."""
    from triage.decide.candidate import NotAsked  # noqa: PLC0415 - start-up speed

    began = time.perf_counter()
    try:
        return ask(report), time.perf_counter() - began, ""
    except NotAsked as error:
        return None, time.perf_counter() - began, str(error) or "not asked"


def _measured(asked: _Asked, decider: _Decider) -> "Evaluation":
    from triage.decide.learned.report import evaluate  # noqa: PLC0415 - start-up speed

    if not asked.cases:
        told = asked.course.stopped.told if asked.course.stopped else next(iter(asked.failed), "")
        raise frame.Misused(f"nothing could be measured: {told}" if told else "the file has no labelled report")
    return evaluate(asked.cases, decider.threshold(asked.cases), decider.target)


def _draw(evaluation: "Evaluation", cases: "list[Case]", plot: Path | None) -> None:
    if plot is not None:
        from triage.decide.learned import plots  # noqa: PLC0415 - start-up speed, and an extra

        plots.save(evaluation, cases, plot, f"{len(cases)} reports")


def _document(evaluation: "Evaluation", decider: _Decider, asked: _Asked) -> Json:
    """`failed` reports are not among the cases; `stopped` is why not all of the file were asked about."""
    cost = {"cost_usd": decider.trial.allowance.taken / trials.MICRO, **trials.latency(asked.seconds)}
    stopped = asked.course.stopped.why if asked.course.stopped else None
    ended = {"failed": len(asked.failed), "stopped": stopped}
    return {"version": decider.version, **cost, **ended, **evaluation.as_json()}


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
        f"\ncost {document['cost_usd']:g} USD · "
        f"latency p50 {document['latency_p50_ms']:g} ms, p95 {document['latency_p95_ms']:g} ms a report"
    )
    if deltas is not None:
        typer.echo("against the baseline: " + one_line(", ".join(f"{name} {deltas[name]:+g}" for name in deltas), 300))


def _tell_failures(asked: _Asked) -> None:
    if asked.course.stopped:
        frame.note(f"only {len(asked.cases)} reports were measured: {asked.course.stopped.told}")
    if asked.failed:
        frame.note(f"{len(asked.failed)} reports are left out, such as: {one_line(asked.failed[0], 300)}")
