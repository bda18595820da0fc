"""The commands `learn`, `eval` and `rules test`: what they print, write and refuse, and their exit codes."""

import csv
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from tests.unit.labelled import reports
from triage.cli import evaluate, frame, learn, rules
from triage.decide.learned import fileformat
from triage.decide.learned.reports import LabelledReport
from triage.errors import InvalidSetting, TriageError
from triage.ingest import UnreadableFile

app = typer.Typer()
app.command("learn")(learn.learn)
app.command("eval")(evaluate.evaluate)
app.add_typer(rules.app, name="rules")

COLUMNS = ("--label", "Type", "--title", "Summary", "--body", "Text", "--created", "Opened")
RULES = """
default_route = "triage"
[[rules]]
name = "crash"
words = ["crash", "exception"]
kind = "bug"
severity = "high"
reason = "It ends."
[[rules]]
name = "wish"
words = ["please", "wish", "add"]
kind = "feature"
severity = "low"
reason = "It is asked for."
"""


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where there are no settings, beside a file of closed reports."""
    monkeypatch.chdir(tmp_path)
    write(reports(120))
    Path("ours.toml").write_text(RULES, encoding="utf-8")


def write(labelled: Iterable[LabelledReport], *, bad: str = "", name: str = "closed.csv") -> None:
    """Write reports as CSV, and lines as they are after them."""
    with Path(name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Type", "Summary", "Text", "Opened", "Id"])
        for number, one in enumerate(labelled):
            writer.writerow([one.label, one.title, one.body, one.created and one.created.isoformat(), number])
        file.write(bad)


def run(*arguments: str, code: int = 0) -> str:
    """Run a command; what it printed."""
    found: Result = CliRunner().invoke(app, arguments)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == code, found.output
    return found.output


def document(*arguments: str, code: int = 0) -> dict[str, Any]:
    """Run a command with --json."""
    found: dict[str, Any] = json.loads(run(*arguments, "--json", code=code))
    return found


def test_a_model_is_learned_and_written() -> None:
    """The report has all figures, the model file works, and the plot is a PNG."""
    output = run("learn", "closed.csv", *COLUMNS, "--target", "0.9", "--out", "our.model", "--plot", "plot.png")
    model = fileformat.load(Path("our.model"))
    assert "120 labelled reports · 0 without a label · 0 with several · 0 left out · 0 bad rows" in output
    assert "labels: bug 40, feature 40, question 40" in output
    for words in ("accuracy  ", "macro-F1  ", "threshold  ", "coverage  ", "people said ↓, opinion →", "was right"):
        assert words in output
    assert f"model {model.version}: {len(model.words)} words and phrases, written to our.model" in output
    with Image.open("plot.png") as image:
        assert (image.format, image.size) == ("PNG", (1120, 560))
        assert len(set(image.convert("L").tobytes())) > 10


def test_learning_as_json() -> None:
    """The document has the counts, the model and the cross-validation; without --out nothing is written."""
    before = sorted(Path().iterdir())
    found = document("learn", "closed.csv", *COLUMNS, "--folds", "time")
    assert sorted(Path().iterdir()) == before
    assert (found["reports"], found["bad"], found["test"]) == (120, 0, None)
    assert found["cross_validation"]["folds"] == "time" and found["cross_validation"]["cases"] == 60
    assert found["model"]["classes"] == ["bug", "feature", "question"]


def test_it_can_be_measured_on_later_reports() -> None:
    """With --test-from it learns from what was before, and is measured on the rest."""
    found = document("learn", "closed.csv", *COLUMNS, "--test-from", "2030-04-01")
    assert found["cross_validation"]["labels"] == 90
    assert found["test"]["cases"] == 30
    assert "On the reports from 2030-04-01 on" in run("learn", "closed.csv", *COLUMNS, "--test-from", "2030-04-01")


def test_missing_the_target_on_later_reports_is_told() -> None:
    """When words come to mean something else, the later reports show that the target is missed, and it is said."""
    swapped = {"bug": "feature", "feature": "question", "question": "bug"}
    known = reports(240)
    write([*known[:120], *(replace(one, label=swapped[one.label]) for one in known[120:])])
    arguments = ("learn", "closed.csv", *COLUMNS, "--target", "0.9", "--test-from")
    assert "it misses its target" in run(*arguments, "2030-05-01")
    write(known)
    assert "it misses its target" not in run(*arguments, "2030-05-01")


def test_labels_are_renamed_and_dropped() -> None:
    """A renamed label counts as the new one; reports with a dropped or empty label are left out and counted."""
    write([*reports(60), LabelledReport("", "still open", "")])
    found = document("learn", "closed.csv", *COLUMNS, "--map", "question=feature", "--drop", "nothing")
    assert found["model"]["classes"] == ["bug", "feature"] and found["unlabelled"] == 1
    found = document("learn", "closed.csv", *COLUMNS, "--drop", "question")
    assert found["model"]["classes"] == ["bug", "feature"] and found["dropped"] == 20


def test_labels_as_trackers_answer_them() -> None:
    """A list of labels counts by the one that is kept; with two of those it is ambiguous, with none unlabelled."""
    own = [{"labels": [{"name": one.label}, {"name": "area/ui"}], "title": one.title} for one in reports(60)]
    other = [["bug", "feature"], ["area/ui"], []]
    lines = [*own, *({"labels": labels, "title": "t"} for labels in other)]
    Path("closed.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    keep = [part for label in ("bug", "feature", "question") for part in ("--keep", label)]
    found = document("learn", "closed.jsonl", "--label", "labels", *keep)
    assert (found["reports"], found["ambiguous"], found["unlabelled"]) == (60, 1, 2)
    assert found["model"]["classes"] == ["bug", "feature", "question"]


def test_bad_rows_are_told_and_the_others_count() -> None:
    """Each bad row is told with its number and field; the exit code is 1."""
    write(reports(60), bad="bug,,no title,2030-01-01,1\nbug,title,text,yesterday,2\nbug,too few\n")
    output = run("learn", "closed.csv", *COLUMNS, code=1)
    assert "row 62 (line 62), title: is empty" in output
    assert "row 63 (line 63), created: 'yesterday' is not a time in ISO 8601" in output
    assert "row 64 (line 64), row: has 2 columns, the header has 5" in output
    assert "60 labelled reports" in output and "3 bad rows" in output


def test_jsonl_is_read_too() -> None:
    """Objects with other keys are read by the same options; null is nothing, and a number is no text."""
    lines = [{"Type": one.label, "Summary": one.title, "Text": None, "Other": 1} for one in reports(60)]
    lines += [{"Type": 7, "Summary": "x"}, {"Type": [{}], "Summary": "x"}]
    Path("closed.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    found = document("learn", "closed.jsonl", "--label", "Type", "--title", "Summary", "--body", "Text", code=1)
    assert found["reports"] == 60
    bad = {"field": "label", "problem": "is not a text"}
    assert found["bad_rows"] == [{"row": row, "line": row} | bad for row in (61, 62)]


@pytest.mark.parametrize(
    ("arguments", "error", "problem"),
    [
        (("learn", "missing.csv"), UnreadableFile, "missing.csv: No such file"),
        (("learn", "closed.csv", "--label", "Kind"), UnreadableFile, "column 'Kind' is not there; .* are: 'Type'"),
        (("learn", "closed.csv", *COLUMNS, "--map", "bug"), frame.Misused, "must be OLD=NEW"),
        (("learn", "closed.csv", *COLUMNS[:6], "--test-from", "2030-04-01"), frame.Misused, "120 reports have no time"),
        (("learn", "closed.csv", *COLUMNS, "--test-from", "2031-04-01"), frame.Misused, "0 from then on"),
        (("learn", "closed.csv", *COLUMNS, "--test-from", "2030-01-10"), TriageError, "9 labelled .* at least 15"),
        (("learn", "closed.csv", *COLUMNS, "--out", "no/our.model"), InvalidSetting, "cannot be written"),
        (("learn", "closed.csv", *COLUMNS, "--plot", "no/plot.png"), InvalidSetting, "cannot be written"),
        (("eval", "closed.csv", *COLUMNS), frame.Misused, "either --model FILE or --rules"),
        (("eval", "closed.csv", *COLUMNS, "--model", "ours.toml"), InvalidSetting, "is no model"),
        (("eval", "closed.csv", *COLUMNS, "--rules", "--baseline", "ours.toml"), frame.Misused, "--baseline ours.toml"),
        (("eval", "closed.csv", *COLUMNS, "--rules", "--map", "bug=x=y", "--drop", "x=y", "--drop", "feature",
          "--drop", "question"), frame.Misused, "no labelled report"),
    ],
)  # fmt: skip
def test_wrong_use_is_explained(arguments: tuple[str, ...], error: type[TriageError], problem: str) -> None:
    """What does not fit is told as an expected error that names it."""
    with pytest.raises(error, match=problem):
        run(*arguments)


def test_a_model_is_measured() -> None:
    """The figures are those of the reports given, with the model's own threshold, cost and time."""
    run("learn", "closed.csv", *COLUMNS, "--target", "0.9", "--out", "our.model")
    write(reports(150)[120:], name="later.csv")
    found = document("eval", "later.csv", *COLUMNS, "--model", "our.model", "--plot", "plot.png")
    model = fileformat.load(Path("our.model"))
    assert (found["version"], found["threshold"], found["target"]) == (model.version, model.threshold, 0.9)
    assert (found["cases"], found["cost_usd"]) == (30, 0.0)
    assert 0 < found["latency_p50_ms"] <= found["latency_p95_ms"]
    assert found["accuracy"] > found["majority"] and found["accuracy_at_target"] <= 1
    assert Path("plot.png").stat().st_size > 1_000


def test_another_target_has_its_own_threshold() -> None:
    """A target that the model was not trained for uses the threshold that was found for it when training."""
    run("learn", "closed.csv", *COLUMNS, "--target", "0.9", "--out", "our.model")
    found = document("eval", "closed.csv", *COLUMNS, "--model", "our.model", "--target", "0.8")
    model = fileformat.load(Path("our.model"))
    assert (found["target"], found["threshold"]) == (0.8, model.numbers["thresholds"]["0.80"])


def test_rules_are_measured_and_compared() -> None:
    """Rules that say nothing about a report are not right about it; deltas are now less then."""
    found = document("eval", "closed.csv", *COLUMNS, "--rules", "--rules-file", "ours.toml")
    assert found["version"].startswith("rules-")
    assert found["confusion"]["question"]["question"] == 0 and found["confusion"]["question"]["–"] > 0
    assert found["confusion"]["bug"]["bug"] > 20
    assert 0 < found["coverage"] < 1 and found["threshold"] == 0
    before = found | {"accuracy": 0.25, "coverage": None}
    Path("before.json").write_text(json.dumps(before), encoding="utf-8")
    arguments = ("eval", "closed.csv", *COLUMNS, "--rules", "--rules-file", "ours.toml", "--baseline", "before.json")
    deltas = document(*arguments)["deltas"]
    assert deltas["accuracy"] == pytest.approx(found["accuracy"] - 0.25, abs=1e-6)
    assert deltas["macro_f1"] == 0 and "coverage" not in deltas
    output = run(*arguments)
    assert f"against the baseline: accuracy {deltas['accuracy']:+g}" in output and "cost 0 USD" in output


def test_which_rule_decides_each_report() -> None:
    """Every report is told with its rule, and every rule with its count, also those that decide nothing."""
    Path("some.csv").write_text(
        "Id,Summary\n1,A crash\n2,Please \x1b[2J it\n3,Nothing\n4,\n5,exception\n", encoding="utf-8"
    )
    arguments = ("rules", "test", "some.csv", "--rules", "ours.toml", "--map", "source_id=Id", "--map", "title=Summary")
    found = document(*arguments, "--set", "source=x", code=1)
    assert (found["rules"], found["no_rule"]) == ({"crash": 2, "wish": 1}, 1)
    assert [report["rule"] for report in found["reports"]] == ["crash", "wish", None, "crash"]
    assert [(row["row"], row["field"]) for row in found["bad_rows"]] == [(5, "title")]
    output = run(*arguments, "--set", "source=x", code=1)
    assert "\x1b" not in output and "\\x1b[2J" in output
    assert "4 reports · 0 by a tentative rule · 1 without a rule · 1 bad rows" in output
    counts = run(*arguments, "--set", "source=x", "--counts", code=1)
    assert "A crash" not in counts and "     2  crash" in counts
