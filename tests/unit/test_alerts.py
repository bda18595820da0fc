"""Rules, runbook and dashboard are made of what the product has, and each alert fires when it should."""

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import promql_parser
import pydantic
import pytest

from tests.tools.servers import require
from tests.unit.alerting import SCENES, SLOWLY, unit_tests
from triage.alerts import dashboard, rules
from triage.alerts.alert import duration
from triage.alerts.objectives import objectives
from triage.alerts.written import yaml
from triage.config import Alerts, Objectives
from triage.metrics import FAMILIES
from triage.model.burns import BURNS, factor

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
ALERTS = rules.alerts(Objectives())


@pytest.fixture(scope="session")
def tools() -> None:
    """Have Prometheus' own tools."""
    require("prometheus")


def run(*command: str | Path) -> None:
    """Run a command that has to succeed; its words are the failure."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def anchors() -> dict[str, str]:
    """The runbook's entries by the anchors of their headings."""
    text = (ROOT / "deploy" / "runbook.md").read_text()
    entries = re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", text, flags=re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-"): body for heading, body in entries}


def names(node: Any) -> Iterator[str]:
    """The metrics that a parsed expression reads."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name
    for inner in ("lhs", "rhs", "expr", "vector_selector", "param"):
        if (child := getattr(node, inner, None)) is not None:
            yield from names(child)
    for child in getattr(node, "args", ()):
        yield from names(child)


def expressions() -> Iterator[str]:
    """Every expression of rules and dashboard, as Grafana fills it in."""
    for objective in objectives(Objectives()):
        yield from (str(rule["expr"]) for rule in objective.recordings())  # type: ignore[index, call-overload]
    yield from (alert.expr for alert in ALERTS)
    for panel in dashboard.panels(Objectives()):
        yield from (expr.replace("$__rate_interval", "1m") for expr, _ in panel.queries)


def known() -> set[str]:
    """What may be read: our metrics, what is recorded of them, and what Prometheus says of the scrape."""
    whole = {family.name for family in FAMILIES if family.type != "histogram"}
    parts = {
        f"{family.name}_{part}"
        for family in FAMILIES
        if family.type == "histogram"
        for part in ("bucket", "sum", "count")
    }
    recorded = re.findall(r"record: (\S+)", rules.document(Objectives(), Alerts()))
    return {*whole, *parts, *recorded, "up"}


def test_every_expression_reads_metrics_that_exist() -> None:
    """Rules and dashboard are made of expressions that an independent parser reads, over our own metrics."""
    found = list(expressions())
    read = {name for expr in found for name in names(promql_parser.parse(expr))}
    assert len(found) > 70
    assert read <= known()
    assert len(read) > 40


def test_every_alert_has_an_entry_in_the_runbook() -> None:
    """Each link leads to an entry that says what it means, what to look at and what to do; no entry is left over."""
    entries = anchors()
    assert set(entries) == {alert.anchor for alert in ALERTS}
    assert all(word in body for body in entries.values() for word in ("**Means**", "**Look**", "**Do**"))


def test_the_runbook_names_commands_that_exist() -> None:
    """Each command of ours in the runbook is one."""
    from typer.main import get_command  # noqa: PLC0415 - the commands are not needed elsewhere

    from triage.cli import app  # noqa: PLC0415 - as above

    commands: Any = get_command(app)
    said = set(re.findall(r"`triage ([a-z]+)(?: ([a-z]+))?", (ROOT / "deploy" / "runbook.md").read_text()))
    for first, second in said:
        command = commands.commands[first]
        assert not second or second in getattr(command, "commands", {}), f"triage {first} {second}"
    assert len(said) > 10


def test_every_alert_says_what_a_person_needs() -> None:
    """Each has a severity, a summary, a description and a link that begins as it is set."""
    document = rules.document(Objectives(), Alerts(runbook="https://wiki.example/triage"))
    assert document.count("runbook_url: ") == len(ALERTS) == len({alert.name for alert in ALERTS})
    assert document.count('runbook_url: "https://wiki.example/triage#') == len(ALERTS)
    for alert in ALERTS:
        assert alert.severity in {"page", "ticket"}
        assert alert.summary and alert.description.endswith(".")


@pytest.mark.parametrize(
    ("path", "made"),
    [
        (PROMETHEUS / "rules.yml", rules.document(Objectives(), Alerts())),
        (ROOT / "deploy" / "grafana" / "triage.json", dashboard.document(Objectives())),
    ],
)
def test_what_is_shipped_is_what_is_generated(path: Path, made: str) -> None:
    """The files in `deploy` are what `triage alerts` prints without any setting."""
    assert path.read_text() == made, (
        f"`triage alerts {'rules' if path.suffix == '.yml' else 'dashboard'} > {path.name}`"
    )


def test_panels_do_not_overlap() -> None:
    """Each panel has an id and a place of its own, inside the grid."""
    panels = json.loads(dashboard.document(Objectives()))["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < dashboard.COLUMNS
    assert len({panel["id"] for panel in panels}) == len(panels) > 20


@pytest.mark.usefixtures("tools")
def test_prometheus_takes_rules_and_configuration() -> None:
    """`promtool check` has nothing to say about what is shipped."""
    run("promtool", "check", "rules", "--lint-fatal", PROMETHEUS / "rules.yml")
    run("promtool", "check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.usefixtures("tools")
def test_alertmanager_takes_its_configuration() -> None:
    """`amtool check-config` has nothing to say about what is shipped."""
    run("amtool", "check-config", PROMETHEUS / "alertmanager.yml")


def test_every_alert_is_tried_both_ways() -> None:
    """For each alert there is a scene in which it fires, and one in which it must not."""
    assert {name: {scene.fires for scene in scenes} for name, scenes in SCENES.items()} == {
        alert.name: {True, False} for alert in ALERTS
    }


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("step", [1, SLOWLY])
def test_every_alert_fires_when_it_should_and_only_then(tmp_path: Path, step: int) -> None:
    """`promtool test rules` plays every scene."""
    (tmp_path / "rules.yml").write_text(rules.document(Objectives(), Alerts()))
    (tmp_path / "tests.yml").write_text(unit_tests("rules.yml", step))
    run("promtool", "test", "rules", tmp_path / "tests.yml")


def test_burn_rates_are_those_of_the_workbook() -> None:
    """Over 30 days the factors are 14.4, 6, 3 and 1; they grow with the window."""
    month, quarter = timedelta(days=30), timedelta(days=90)
    assert [factor(burn, month) for burn in BURNS] == [14.4, 6, 3, 1]
    assert [factor(burn, quarter) for burn in BURNS] == [43.2, 18, 9, 3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"completeness": 1},
        {"freshness": 0.5},
        {"within": 61},
        {"window": timedelta(days=1)},
        {"completeness": 0.9},
    ],
)
def test_an_objective_that_cannot_be_watched_is_refused(wrong: dict[str, Any]) -> None:
    """A target without a budget or that no alert could notice, and a time at which no bucket ends, are no settings."""
    with pytest.raises(pydantic.ValidationError):
        Objectives(**wrong)


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(seconds=90), "90s"),
        (timedelta(minutes=5), "5m"),
        (timedelta(hours=6), "6h"),
        (timedelta(days=30), "30d"),
    ],
)
def test_a_time_is_written_in_the_largest_unit(time: timedelta, text: str) -> None:
    """Prometheus reads whole numbers of one unit."""
    assert duration(time) == text


def test_yaml_quotes_what_would_be_read_otherwise() -> None:
    """Words that YAML takes for truth, and what has quotes or colons in it, come out as they went in."""
    assert yaml({"a": ["no", "on: off", 1, {"b": 'x{y="z"}', "c": "5m"}]}) == (
        'a:\n  - "no"\n  - "on: off"\n  - 1\n  - b: |-\n      x{y="z"}\n    c: "5m"\n'
    )
