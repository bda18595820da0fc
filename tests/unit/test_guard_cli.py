"""The command `guard test`: what it says to a file of drafts, and its exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.unit.guarding import EVENT, TICKET
from triage.cli import frame, guard
from triage.guards.policy import Policy

FINE = {"tool": "tracker", "stage": "create_ticket", "target": "triage", "content": TICKET}
BLOCK = {"tool": "calendar", "stage": "follow_up", "target": "team", "content": {**EVENT, "attendees": []}}
LONG = {**BLOCK, "content": {**EVENT, "minutes": 540}}
NOW = ("--at", "2031-05-05T08:00:00", "--target", "team")


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run where there are no settings."""
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, drafts: str = "") -> Result:
    """Run the command on drafts from standard input."""
    return CliRunner().invoke(guard.app, ["test", "-", *arguments], input=drafts)


def lines(*drafts: Any) -> str:
    """Write drafts as JSONL."""
    return "\n\n".join(map(json.dumps, drafts))


def test_drafts_that_may_be_sent() -> None:
    """If all drafts are allowed, the exit code is 0, and each is told with the policy's version."""
    found = run(*NOW, drafts=lines(FINE, BLOCK))
    assert found.exit_code == 0
    assert found.output.splitlines() == [
        "1  allowed  tracker → triage: no line of the policy is against it",
        "2  allowed  calendar → team: no line of the policy is against it",
        f"policy {Policy.load().version}: 2 allowed",
    ]


def test_a_refused_draft_is_told_with_its_line() -> None:
    """If any is refused, the exit code is 1, and the line of the policy is named."""
    found = run(*NOW, drafts=json.dumps([FINE, LONG]))
    assert found.exit_code == frame.Code.NOT_ALL_WELL
    assert "2  refused  calendar → team: it lasts 9 h (events.longest = 2 h)" in found.output
    assert f"policy {Policy.load().version}: 1 allowed · 1 refused" in found.output


def test_the_same_as_json(tmp_path: Path) -> None:
    """As JSON each draft has its verdict, rule and reason; what a person must approve is not refused."""
    (tmp_path / "ours.toml").write_text('name = "ours"\n[approval]\nseverities = ["critical"]\n', encoding="utf-8")
    drafts = json.dumps({**FINE, "severity": "critical"})
    found = run("--policy", "ours.toml", "--json", drafts=drafts)
    assert found.exit_code == 0
    answer = {"draft": 1, "tool": "tracker", "target": "triage", "verdict": "needs approval"}
    rule = {"rule": "approval.severities has critical", "why": "a person has to approve it"}
    assert json.loads(found.output) == {
        "policy": Policy.load(tmp_path / "ours.toml").version,
        "drafts": [answer | rule],
    }


def test_a_file_is_read(tmp_path: Path) -> None:
    """The drafts may be in a file, and the targets are those of the settings unless more are named."""
    (tmp_path / "drafts.json").write_text(json.dumps(BLOCK), encoding="utf-8")
    found = CliRunner().invoke(guard.app, ["test", "drafts.json"])
    assert found.exit_code == 1
    assert "'team' is not among the allowed targets (events.targets = [])" in found.output


def test_what_others_wrote_cannot_command_the_terminal() -> None:
    """Control characters in a draft are shown, not obeyed."""
    found = run(drafts=lines({**FINE, "target": "\x1b[2Jhere"}))
    assert "\x1b" not in found.output and "\\x1b[2Jhere" in found.output


@pytest.mark.parametrize(
    ("drafts", "told"),
    [
        ("{}", "draft 1: needs tool, stage, target and content"),
        ("[3]", "draft 1: needs tool"),
        (lines({**FINE, "extra": 1}), "draft 1: needs tool"),
        (lines(FINE, {**FINE, "stage": "refund"}), "draft 2: 'refund' is not a valid Stage"),
        (lines({**FINE, "number": "many"}), "draft 1: invalid literal"),
        (lines({**FINE, "confidence": []}), "draft 1: float"),
        (f"{json.dumps(FINE)}\n{{", "-, line 2: is not JSON"),
    ],
)
def test_what_is_no_draft_is_wrong_use(drafts: str, told: str) -> None:
    """What cannot be read as a draft is told with its number, and nothing is judged."""
    found = run(drafts=drafts)
    assert isinstance(found.exception, frame.Misused)
    assert str(found.exception).startswith(told)
    assert found.output == ""


def test_a_missing_file_is_wrong_use() -> None:
    """A file that is not there is told."""
    found = CliRunner().invoke(guard.app, ["test", "nowhere.json"])
    assert isinstance(found.exception, frame.Misused)
    assert "nowhere.json: cannot be read" in str(found.exception)


def test_no_drafts_are_fine() -> None:
    """An empty list has nothing that is refused."""
    assert run(drafts="[]").output == f"policy {Policy.load().version}: no drafts\n"
