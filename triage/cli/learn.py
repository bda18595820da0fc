"""The command `learn`: a model from the labels of closed reports, and how good it is."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triage.cli import closed, figures, frame, labels, lessons
from triage.model import Json

if TYPE_CHECKING:
    from triage.decide.learned.report import Case, Evaluation
    from triage.decide.learned.reports import LabelledReport
    from triage.decide.learned.training import Trained


class FoldsChoice(StrEnum):
    """How reports are kept apart: `mixed` evenly, `time` always later ones."""

    MIXED = "mixed"
    TIME = "time"


def learn(  # noqa: PLR0913 - each option is a parameter
    file: labels.FileOrNone = None,
    *,
    corrections: Annotated[bool, typer.Option("--corrections", help="Also learn from what people corrected.")] = False,
    label: labels.Label = "label",
    title: labels.Title = "title",
    body: labels.Body = None,
    created: labels.Created = None,
    origin: closed.From = closed.Origin.AUTO,
    project: closed.Project = "",
    url: closed.Url = "",
    user: closed.User = "",
    token_env: closed.TokenEnv = "",
    most: closed.Most = 5_000,
    out_reports: closed.Saved = None,
    renamed: labels.Renamed = None,
    dropped: labels.Dropped = None,
    kept: labels.Kept = None,
    target: labels.Target = 0.93,
    folds: Annotated[FoldsChoice, typer.Option(help="How it is cross-validated.")] = FoldsChoice.MIXED,
    test_from: labels.From = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw calibration and coverage, as PNG.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the model there.")] = None,
    save: Annotated[bool, typer.Option("--save", help="Store the model in the database.")] = False,
    use: Annotated[bool, typer.Option("--use", help="Let all workers decide with it from now on.")] = False,
    as_json: frame.AsJson = False,
) -> None:
    r"""Learn from what people said about closed reports, and say how often its opinions would be right.

    It decides by itself only from the confidence on that makes it right as often as the target says; that is found by
    cross-validation on the file itself. At least 15 labels, and 5 of each, are needed. With `--test-from` it learns
    from the reports before that date and is measured on the later ones too.

    A report with several labels counts if one of them is left after `--map` and `--keep`. The model holds words of the
    reports, so it is as confidential as they are. `--save --use` stores it and lets every worker decide with it within
    seconds; see [bold]triage models[/]. `--corrections` adds what people said with [bold]triage correct[/] or in the
    tracker, with or without a FILE.

    With `--from github`, `gitlab`, `jira` or `redmine` it reads the closed tickets of the set tracker, or of another
    one with `--project`, `--url` and `--token-env`: by their labels, in Jira by their type, in Redmine by their
    tracker. Our own tickets are left out; what people changed on them comes with `--corrections`.

    Examples: [bold]triage learn bugs.csv --label Type --title Summary --body Text --corrections --save --use[/] ·
    [bold]triage learn --from github --keep bug --keep feature --out-reports closed.jsonl --out ours.model[/] ·
    [bold]triage learn closed.jsonl --body body --created created --keep bug --keep feature --target 0.9[/]
    """
    wishes = lessons.Wishes(corrections=corrections, save=save, use=use)
    columns = {"label": label, "title": title, "body": body, "created": created}
    reading = closed.Reading(origin, file, project, url, user, token_env, most, out_reports)
    source = labels.Source.of(reading.path, reading.form, columns, renamed, dropped, kept)
    found = reading.load(source, as_json=as_json)
    with labels.extra():
        taught = wishes.taught(found, source, as_json=as_json)
        past, later = labels.split(found, test_from)
        trained = _train(past, target, folds, as_json=as_json)
        tested = _test(trained, later) if later else None
        _keep(trained, tested, plot, out)
        wishes.keep(trained, taught, tested[1] if tested else None)
    if as_json:
        frame.show_json(found.as_json() | _document(trained, tested) | wishes.as_json(taught))
    else:
        found.tell()
        taught.tell()
        _tell(trained, tested, test_from, wishes.places(out))
    if found.bad:
        raise typer.Exit(frame.Code.NOT_ALL_WELL)


def _train(reports: "list[LabelledReport]", target: float, folds: FoldsChoice, *, as_json: bool) -> "Trained":
    from triage.decide.learned import training  # noqa: PLC0415 - start-up speed, and an extra

    with labels.ticking(training.STEPS, "learning", as_json=as_json) as step:
        return training.train(reports, target, training.Folds(folds.value), step)


def _test(trained: "Trained", later: "list[LabelledReport]") -> "tuple[list[Case], Evaluation]":
    from triage.decide.learned.report import Case, evaluate  # noqa: PLC0415 - start-up speed

    cases = [Case(report.label, trained.model.opinion(report.title, report.body)) for report in later]
    return cases, evaluate(cases, trained.model.threshold, trained.model.target)


def _keep(
    trained: "Trained", tested: "tuple[list[Case], Evaluation] | None", plot: Path | None, out: Path | None
) -> None:
    if out is not None:
        from triage.decide.learned import fileformat  # noqa: PLC0415 - start-up speed, and an extra

        fileformat.save(trained.model, out)
    if plot is not None:
        from triage.decide.learned import plots  # noqa: PLC0415 - start-up speed, and an extra

        cases, evaluation = tested or (trained.cases, trained.evaluation)
        plots.save(evaluation, cases, plot, "later reports" if tested else "cross-validated")


def _document(trained: "Trained", tested: "tuple[list[Case], Evaluation] | None") -> Json:
    model = {"version": trained.model.version, "words": len(trained.model.words), "classes": trained.model.classes}
    test = tested[1].as_json() if tested else None
    return {"model": model, "cross_validation": trained.model.numbers, "test": test}


def _tell(
    trained: "Trained",
    tested: "tuple[list[Case], Evaluation] | None",
    test_from: datetime | None,
    places: str,
) -> None:
    folds = "each part after all it learned from" if trained.model.numbers["folds"] == "time" else "parts of all times"
    figures.tell(trained.evaluation, f"Cross-validated on {trained.model.numbers['labels']} reports ({folds})")
    if tested and test_from:
        figures.tell(tested[1], f"On the reports from {test_from:%Y-%m-%d} on, which it did not see")
        _warn(tested[1])
    typer.echo(f"\nmodel {trained.model.version}: {len(trained.model.words)} words and phrases, {places}")


def _warn(tested: "Evaluation") -> None:
    """Say it when later reports are surely not decided as well as was asked for."""
    span = tested.accuracy_at_target_interval
    if span is not None and span[1] < tested.target:
        frame.note("on later reports it misses its target: the kinds or the words change; ask for more, or learn anew")
