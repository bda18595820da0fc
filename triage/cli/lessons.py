"""What `learn` has to do with the database: people's corrections as labels, and keeping what was learned."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from triage import errors
from triage.cli import frame, labels
from triage.cli.text import one_line
from triage.decide.learned.reports import LabelledReport
from triage.model import Json, Kind, Report

if TYPE_CHECKING:
    from triage.decide.learned.report import Evaluation
    from triage.decide.learned.training import Trained
    from triage.store.corrections import Lesson


@dataclass(frozen=True)
class Taught:
    """Reports with the kinds that people corrected them to, masked as every decision sees them.

    `dropped` were left out by --keep and --drop. `instead` are reports of the file with the same text, which these
    replace. `rare` counts the corrections to kinds that have too few reports to be learned.
    """

    reports: list[LabelledReport] = field(default_factory=list)
    dropped: int = 0
    instead: int = 0
    rare: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> Json:
        """The counts."""
        counts = {"reports": len(self.reports), "dropped": self.dropped, "instead": self.instead}
        return counts | {"rare": dict(self.rare)}

    def tell(self) -> None:
        """The counts and what could not be used, if there were any corrections."""
        if not (self.reports or self.dropped or self.rare):
            return
        rare = ", ".join(f"{one_line(kind, 40)} {count}" for kind, count in sorted(self.rare.items()))
        typer.echo(
            f"{len(self.reports)} corrections by people, {self.instead} of them instead of a label of the file · "
            f"{self.dropped} left out" + (f" · too few to be learned: {rare}" if rare else "")
        )


@dataclass(frozen=True)
class Wishes:
    """What `learn` is to do with the database; raises `Misused` for --use without --save."""

    corrections: bool
    save: bool
    use: bool

    def __post_init__(self) -> None:
        if self.use and not self.save:
            raise frame.Misused("--use belongs to --save")

    def taught(self, found: labels.Found, source: labels.Source, *, as_json: bool) -> Taught:
        """Add the corrections to what was found, if wished for; raises `Misused` where nothing can be learned."""
        from triage.decide.learned.training import FEWEST_OF_A_CLASS  # noqa: PLC0415 - start-up speed, and an extra

        if not self.corrections and not source.path:
            raise frame.Misused("name a FILE of closed reports, or say --corrections, or both")
        taught = corrected(source, as_json=as_json) if self.corrections else Taught()
        found.reports, taught = together(found.reports, taught, FEWEST_OF_A_CLASS)
        if self.save:
            refuse_strange(found.reports)
        return taught

    def keep(self, trained: "Trained", taught: Taught, tested: "Evaluation | None") -> None:
        """Store the model, if that is wished for."""
        if self.save:
            store(trained, {"corrections": len(taught.reports), "test": tested and tested.as_json()}, use=self.use)

    def as_json(self, taught: Taught) -> Json:
        """What was done."""
        return {"corrections": taught.as_json() if self.corrections else None, "saved": self.save, "in_use": self.use}

    def places(self, out: Path | None) -> str:
        """Where the model is now, in words."""
        stored = f"stored{', in use from now on' if self.use else ' (`triage models use`)'}" if self.save else ""
        written = f"written to {out}" if out else ""
        return " and ".join(filter(None, (written, stored))) or "not kept (--out FILE or --save)"


def corrected(source: labels.Source, *, as_json: bool) -> Taught:
    """All runs whose kind people corrected, with a bar."""
    reports, dropped = [], 0
    with frame.services() as opened, frame.progress(as_json=as_json) as bar:
        task = bar.add_task("reading corrections", total=None)
        for lesson in opened.corrections.lessons():
            label = source.renamed.get(lesson.kind, lesson.kind)
            if label in source.dropped or (source.kept and label not in source.kept):
                dropped += 1
            else:
                reports.append(_labelled(label, lesson))
            bar.advance(task)
    return Taught(reports, dropped)


def together(of_file: Sequence[LabelledReport], taught: Taught, fewest: int) -> tuple[list[LabelledReport], Taught]:
    """All reports to learn from, and what became of the corrections.

    A correction stands above the label of a report with the same text. A kind that only corrections have, in less than
    `fewest` different texts, is left out: so few teach nothing, and must not keep the rest from being learned.
    """
    texts = {report.same for report in taught.reports}
    others = [report for report in of_file if report.same not in texts]
    known = {report.label for report in others}
    counts = Counter(label for label, _ in {(report.label, report.same) for report in taught.reports})
    few = {label for label, count in counts.items() if label not in known and count < fewest}
    used = [report for report in taught.reports if report.label not in few]
    rare = Counter(report.label for report in taught.reports if report.label in few)
    return [*others, *used], Taught(used, taught.dropped, len(of_file) - len(others), rare)


def refuse_strange(found: Iterable[LabelledReport]) -> None:
    """Raises `Misused` for labels that workers could not decide for."""
    if strange := sorted({report.label for report in found} - set(Kind)):
        named = ", ".join(one_line(label, 40) for label in strange[:10])
        raise frame.Misused(
            f"{named}: no kinds of reports, so it cannot be saved; count them as kinds with --map LABEL=KIND "
            f"({', '.join(Kind)}) or leave them out with --drop"
        )


def store(trained: "Trained", extra: Json, *, use: bool) -> None:
    """Save it in one commit, put in use or not; raises `InvalidSetting` if it is too large."""
    from triage.decide.learned import fileformat  # noqa: PLC0415 - start-up speed, and an extra

    model = trained.model
    content = fileformat.to_bytes(model)
    if len(content) > fileformat.LARGEST:
        raise errors.InvalidSetting(f"the model has {len(content)} bytes, more than {fileformat.LARGEST}")
    numbers = {
        "classes": list(model.classes),
        "words": len(model.words),
        "target": model.target,
        "threshold": model.threshold,
        "trained_at": model.trained_at.isoformat(),
        "cross_validation": model.numbers,
        **extra,
    }
    with frame.services() as opened:
        opened.models.save(model.version, content, numbers, by=frame.who(), use=use, why="learned")


def _labelled(label: str, lesson: "Lesson") -> LabelledReport:
    from triage.text.secrets import mask_report  # noqa: PLC0415 - start-up speed

    masked = mask_report(Report.parse(lesson.report))
    return LabelledReport(label, masked.title, masked.body, lesson.created)
